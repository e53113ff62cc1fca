"""docs/command-line.md, made from the table: `python -m sdapi_compat.settings.document` prints it."""

from __future__ import annotations

import json

from sdapi_compat.settings.flag import Flag
from sdapi_compat.settings.table import GROUPS

INTRODUCTION = """\
# Command line

<!-- Made by `python -m sdapi_compat.settings.document`; the table is in sdapi_compat/settings. -->

All flags of the original are accepted, so that old command lines go on to work; the column *Effect* says
which of them do anything.

- Flags may also stand in the environment variable `COMMANDLINE_ARGS`, written as in a shell. They come after
  those of the command line, so they win.
- Names may be shortened (`--lyco-dir`), and underscores count as dashes.
- An unknown flag, or a value that does not fit, ends the program with status 2. With
  `IGNORE_CMD_ARGS_ERRORS` in the environment unknown flags are passed over.
- Relative paths start at the current folder. `DATA` below is the data folder: `--data-dir`, or else the
  folder of `launch.py` (which `launch.py` hands on as `SDAPI_DATA_DIR`), or else the current folder.
  `MODELS` is the models folder: `--models-dir`, or else `DATA/models`.
- Without `--listen` or `--server-name` the server answers this machine only, at `127.0.0.1:7860`, or the next
  free port up to 7959.
- Users: with `--api-auth`, `--gradio-auth` or `--gradio-auth-path` *every* route needs one of the users named
  there. In the original `--gradio-auth` left the API open.
- `GET /sdapi/v1/cmd-flags` returns the flags of the original with their values. Passwords, tokens and the
  places of key files are shown as `"<hidden>"`.
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [INTRODUCTION]
    for title, flags in GROUPS:
        parts.append(f"\n## {title}\n\n| Flag | Default | Meaning | Effect |\n|---|---|---|---|\n")
        parts.extend(_row(flag) for flag in flags)
    return "".join(parts)


def _row(flag: Flag) -> str:
    default = "" if flag.kind == "switch" or flag.default is None else f"`{_default(flag)}`"
    value = "" if flag.kind == "switch" else f" {flag.kind.upper()}"
    return f"| `{flag.name}{value}` | {default} | {flag.sentence} | {flag.effect} |\n"


def _default(flag: Flag) -> str:
    text = json.dumps(flag.default)
    return text.replace("{data}", "DATA").replace("{models}", "MODELS")


if __name__ == "__main__":
    print(page(), end="")
