"""One row of the options table, and the words of its `effect` column."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

Default: TypeAlias = bool | int | float | str | tuple[str, ...] | None

WORKS = "works"


def no_effect(reason: str) -> str:
    """The effect of an option that this server takes and keeps, but never will act on."""
    return f"accepted, without effect: {reason}"


def not_yet(missing: str) -> str:
    """The effect of an option that does nothing because a feature is not there yet."""
    return f"accepted, without effect yet: {missing}"


INTERFACE = no_effect("it belongs to the browser interface")
TRAINING = no_effect("this server does not train")
CONSOLE = no_effect("nothing of the kind is printed on the console")


class Section(NamedTuple):
    """A page of the original's settings; `key` names it in --freeze-settings-in-sections, None if hidden."""

    key: str | None
    title: str


class Option(msgspec.Struct, frozen=True):
    """What is known about one option.

    The type of `default` decides how values are read and shown (`values.py`); lists are kept as tuples.
    `infotext_label` is the field of infotext that carries the option. `restricted` options change only in
    config.json, never by a request. `explanation` options are texts, not settings: requests leave them alone.
    `path` options name places on the server's disk and are locked by --hide-ui-dir-config. Null is a value of
    `nullable` options; for all others a request's null means "leave it".
    """

    key: str
    default: Default
    label: str
    section: Section
    effect: str
    infotext_label: str | None = None
    restricted: bool = False
    explanation: bool = False
    path: bool = False
    nullable: bool = False
