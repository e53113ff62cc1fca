"""The pages, their fenced blocks, and the curl commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_CONTENT = "aGVsbG8="


class Command(NamedTuple):
    """One curl command: the page it is on, its words, and what it sends."""

    page: str
    words: tuple[str, ...]
    method: str
    url: str
    body: bytes | None

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


@pytest.fixture(scope="session")
def docs() -> Path:
    """The folder of the pages."""
    return DOCS


@pytest.fixture(scope="session")
def page() -> Callable[[str], str]:
    """`page("api.md")` is the page's text."""
    return lambda name: (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def blocks() -> Callable[[str, str], list[str]]:
    """`blocks("scripts.md", "python")` are the contents of the page's fenced blocks of that language."""
    return lambda name, language: [
        content
        for kind, content in FENCE.findall((DOCS / name).read_text(encoding="utf-8"))
        if kind == language
    ]


@pytest.fixture(scope="session")
def commands() -> list[Command]:
    """All curl commands of all pages."""
    found = []
    for file in sorted(DOCS.glob("*.md")):
        for kind, content in FENCE.findall(file.read_text(encoding="utf-8")):
            if kind == "sh":
                found += [command(file.name, words) for words in curls(content)]
    return found


def curls(script: str) -> Iterator[tuple[str, ...]]:
    """The words of every curl command in a script, up to a pipe, a redirection or the end of its line."""
    joined = script.replace("\\\n", " ")
    for start in re.finditer(r"^curl ", joined, re.MULTILINE):
        lexer = shlex.shlex(joined[start.start() :], posix=True, punctuation_chars="|;>\n")
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
        words = []
        for word in lexer:
            if set(word) <= set("|;>\n"):
                break
            words.append(word)
        yield tuple(words)


def command(page_name: str, words: tuple[str, ...]) -> Command:
    """What curl would send; a file's content is a short base64 text."""
    method, sent, rest = None, [], []
    arguments = iter(words[1:])
    for word in arguments:
        if word == "-X":
            method = next(arguments)
        elif word == "-d":
            sent.append(next(arguments))
        elif word == "--data-urlencode":
            name, file, _ = next(arguments).partition("@")
            sent.append(f"{name}={FILE_CONTENT}" if file else name)
        elif word in ("-u", "-H", "-o"):
            next(arguments)
        elif word in ("-i", "-N"):
            continue
        else:
            rest.append(word)
    (url,) = rest
    body = "&".join(sent).encode() if sent else None
    return Command(page_name, words, method or ("GET" if body is None else "POST"), url, body)
