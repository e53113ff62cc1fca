"""What the command line asks of launch.py, and what it leaves to the server or to pytest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from launcher.packages import split

TEST_SERVER_FLAGS = ("--api", "--skip-torch-cuda-test", "--disable-nan-check")


class Request(NamedTuple):
    """`arguments`: for the server, as given. `extra`: in COMMANDLINE_ARGS, which the server reads itself.

    `tests`: arguments for pytest after --test; None where a server is asked for.
    """

    arguments: tuple[str, ...]
    extra: tuple[str, ...]
    tests: tuple[str, ...] | None

    def has(self, flag: str) -> bool:
        """Whether a switch is given; underscores in it count as dashes."""
        given = (one.replace("_", "-") for one in (*self.arguments, *self.extra) if one.startswith("--"))
        return flag in given

    def asks_for_help(self) -> bool:
        """Whether somebody wants to know the flags."""
        return self.has("--help") or "-h" in self.arguments

    def value(self, flag: str) -> str | None:
        """What follows a flag; the last one counts."""
        words = (*self.arguments, *self.extra)
        found = None
        for at, word in enumerate(words):
            name, equals, value = word.partition("=")
            if name.replace("_", "-") == flag:
                found = value if equals else next(iter(words[at + 1 : at + 2]), None)
        return found


def read(argv: Sequence[str], environ: Mapping[str, str]) -> Request:
    """The request in argv and COMMANDLINE_ARGS. Failure when the latter cannot be split."""
    arguments, tests = list(argv), None
    if "--test" in arguments:
        at = arguments.index("--test")
        arguments, tests = arguments[:at], tuple(arguments[at + 1 :])
    extra = split(environ.get("COMMANDLINE_ARGS", ""), "COMMANDLINE_ARGS")
    if "--test-server" in arguments:
        # A1111 1.10.1 behaviour: fixed flags, whatever the environment says.
        extra = []
        arguments += [flag for flag in TEST_SERVER_FLAGS if flag not in arguments]
    return Request(tuple(arguments), tuple(extra), tests)


def without_values(arguments: Sequence[str]) -> list[str]:
    """The names of the flags: their values may be passwords."""
    return [one.partition("=")[0] for one in arguments if one.startswith("-")]
