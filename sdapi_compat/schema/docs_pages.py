"""The pages /docs (Swagger UI) and /redoc, made of files of the installed package `offapi`: no network.

All addresses in the pages are relative, so that they hold behind a proxy that puts a path before them.
"""

from __future__ import annotations

from html import escape
from importlib.util import find_spec
from pathlib import Path

ASSETS_PATH = "docs-assets"
"""Where the pages look for their files: beside themselves, under this name."""

ASSETS = ("swagger_bundle.js", "swagger_style.css", "redoc.js")

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
{head}
</head>
<body>
{body}
</body>
</html>
"""

SWAGGER_HEAD = f'<link rel="stylesheet" href="{ASSETS_PATH}/swagger_style.css">'

# The validator badge is off because it would send the address of this server to a public one.
SWAGGER_BODY = f"""<div id="swagger-ui"></div>
<script src="{ASSETS_PATH}/swagger_bundle.js"></script>
<script>
SwaggerUIBundle({{
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
}});
</script>"""

REDOC_HEAD = "<style>body { margin: 0; }</style>"

REDOC_BODY = f"""<redoc spec-url="openapi.json"></redoc>
<script type="module" src="{ASSETS_PATH}/redoc.js"></script>"""


def swagger_page(title: str) -> str:
    """HTML of /docs."""
    return PAGE.format(title=escape(title), head=SWAGGER_HEAD, body=SWAGGER_BODY)


def redoc_page(title: str) -> str:
    """HTML of /redoc."""
    return PAGE.format(title=escape(title), head=REDOC_HEAD, body=REDOC_BODY)


def assets() -> dict[str, Path]:
    """The files to serve under /docs-assets/, by name. Raises ModuleNotFoundError without offapi.

    The package is located, not imported: importing it reads all of its 9 MB.
    """
    spec = find_spec("offapi")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("offapi is not installed; it holds the files of the documentation pages")
    folder = Path(spec.origin).parent
    return {name: folder / name for name in ASSETS}
