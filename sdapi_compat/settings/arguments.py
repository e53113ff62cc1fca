"""The table of flags as an argparse parser."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from sdapi_compat.settings.flag import WORKS, Flag

LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage text of a hundred flags."""

    def error(self, message: str) -> NoReturn:
        """Print and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (--help lists all flags)\n")

    def unknown(self, arguments: Sequence[str]) -> NoReturn:
        """Exit because of arguments that nothing takes. Only flags are repeated: others may be secrets."""
        names = [argument.partition("=")[0] for argument in arguments if argument.startswith("-")]
        if not names:
            self.error(f"{len(arguments)} argument(s) belong to no flag")
        known = [text for action in self._actions for text in action.option_strings]
        near = difflib.get_close_matches(names[0], known, n=1)
        self.error(f"unknown flag {names[0]}" + (f", did you mean {near[0]}?" if near else ""))


def build_parser(groups: Iterable[tuple[str, Sequence[Flag]]]) -> Parser:
    """A parser for groups of flags. Absent paths are None: their defaults depend on other flags."""
    parser = Parser(prog="launch.py", usage="launch.py [flags]")
    for title, flags in groups:
        group = parser.add_argument_group(title)
        for flag in flags:
            effect = "" if flag.effect == WORKS else f" ({flag.effect})"
            text = f"{flag.sentence}{effect}".replace("%", "%%")
            group.add_argument(flag.name, dest=flag.key, help=text, **_keywords(flag))
    return parser


def _keywords(flag: Flag) -> dict[str, Any]:
    if flag.kind == "switch":
        # A1111 1.10.1 behaviour: --disable-tls-verify, whose default is null, stores false.
        return {"action": "store_const", "const": flag.default is not None, "default": flag.default}
    if flag.kind == "path":
        return {"type": str, "default": None, "metavar": "PATH"}
    if flag.kind == "paths":
        return {"action": "append", "default": None, "metavar": "PATH"}
    if flag.kind == "words":
        return {"nargs": "+", "default": list(flag.default), "metavar": "NAME"}
    choices = flag.choices or None
    metavar = None if choices else flag.kind.upper()
    return {"type": READERS[flag.kind], "default": flag.default, "choices": choices, "metavar": metavar}


# argparse shows the name of a reader, and of the flag, when the reader raises ValueError.


def port(text: str) -> int:
    """A port number, 0 for any free one. ValueError otherwise, as in the readers below."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError(text)
    return number


def count(text: str) -> int:
    """A whole number from 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def limit(text: str) -> int:
    """A whole number from 0."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def seconds(text: str) -> float:
    """A finite number from 0."""
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError(text)
    return number


def level(text: str) -> str:
    """The name of a log level, in any case."""
    if text.upper() not in LEVELS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(LEVELS)}")
    return text


def regex(text: str) -> str:
    """A regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"not a regular expression: {error}") from error
    return text


def json_text(text: str) -> Any:
    """Any JSON. What is wrong is not repeated: it may hold secrets."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("expected JSON") from error


READERS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "integer": int,
    "port": port,
    "count": count,
    "limit": limit,
    "seconds": seconds,
    "level": level,
    "regex": regex,
    "json": json_text,
}
