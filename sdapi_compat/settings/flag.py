"""One row of the command-line table."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

# switch: takes no value. paths: may be given several times. words: takes several values at once.
Kind: TypeAlias = Literal[
    "switch",
    "text",
    "integer",
    "port",
    "count",
    "limit",
    "seconds",
    "path",
    "paths",
    "words",
    "json",
    "level",
    "regex",
]

WORKS = "works"


def ignored(reason: str) -> str:
    """The effect of a flag that is accepted so that old command lines go on to work."""
    return f"no effect, because {reason}"


INTERFACE = ignored("there is no browser interface")
OBSOLETE = ignored("the original ignores it too")
ATTENTION = ignored("PyTorch's scaled dot product attention is used unless --xformers is given")
FEATURE = ignored("the feature is not there yet")


class Flag(msgspec.Struct, frozen=True):
    """A flag, its default, one sentence, and whether it does anything.

    In path defaults "{data}" and "{models}" stand for the data and the models folder. `secret` values are
    never shown. `listed` flags are the original's, which GET /sdapi/v1/cmd-flags returns.
    """

    name: str
    kind: Kind
    default: Any
    sentence: str
    effect: str
    secret: bool = False
    listed: bool = True
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name in GET /sdapi/v1/cmd-flags."""
        return self.name.lstrip("-").replace("-", "_")
