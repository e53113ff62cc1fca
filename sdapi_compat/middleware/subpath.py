"""The path below which a proxy offers the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Subpath:
    """Puts back what a proxy has taken off the path, as ASGI wants it: redirects are made from the path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        path = scope.get("path", "")
        if root and path and path != root and not path.startswith(f"{root}/"):
            scope = {**scope, "path": root + path}
        await self.app(scope, receive, send)
