"""docs/options.md, made from the table: `python -m sdapi_compat.options.document` prints it."""

from __future__ import annotations

import json
from itertools import groupby

from sdapi_compat.options.option import Option
from sdapi_compat.options.table import TABLE

INTRODUCTION = """\
# Options

<!-- Made by `python -m sdapi_compat.options.document`; the table is in sdapi_compat/options. -->

All {count} options of the original are here, under the same keys and with the same defaults. Those without
an effect are kept and returned, so that clients which send all options back find what they wrote.

- `GET /sdapi/v1/options` returns all of them, `POST /sdapi/v1/options` changes some and saves `config.json`.
- `override_settings` in a request changes them for that request alone. Requests that run or wait already are
  not affected by changes: each sees the options of the moment in which it came.
- A change is judged as a whole before any of it is made. An unknown key, a frozen option or an impossible
  value is an error, and nothing has changed then.
- `null` means "leave it", except for `upscaler_for_img2img`.
- Values take the type of the default: `"20"` becomes `20`, `"true"` becomes `true`.
- Options that were never set are shown with the default as written below. Whole numbers that were set are
  shown as `90.0`, as the original does.
- *Config file only* options cannot be changed by requests; requests that try are not told so.
- *Text* options only explain something to the users of a page.
- `--freeze-settings`, `--freeze-settings-in-sections` (with the names in brackets below),
  `--freeze-specific-settings` and `--hide-ui-dir-config` lock options; see
  [command-line.md](command-line.md).
- An unreadable `config.json` is kept as `config.json.corrupt`. Keys of it that are no options are kept too.

The column *Infotext* names the field of infotext that carries the option.
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [INTRODUCTION.format(count=len(TABLE))]
    for section, options in groupby(TABLE, key=lambda option: option.section):
        name = "" if section.key is None else f" (`{section.key}`)"
        parts.append(f"\n## {section.title}{name}\n")
        parts.append("\n| Option | Default | Meaning | Infotext | Effect |\n|---|---|---|---|---|\n")
        parts.extend(_row(option) for option in options)
    return "".join(parts)


def _row(option: Option) -> str:
    notes = [option.label] if option.label else []
    if option.restricted:
        notes.append("*Config file only.*")
    if option.explanation:
        notes.append("*Text.*")
    default = "" if option.explanation else f"`` {json.dumps(option.default)} ``"
    cells = [f"`{option.key}`", default, " ".join(notes), option.infotext_label or "", option.effect]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    print(page(), end="")
