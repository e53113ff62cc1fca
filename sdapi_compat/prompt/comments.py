"""Comments in prompts."""

from __future__ import annotations

import re

_COMMENT_LINE = re.compile(r"(?:\A|\n)#[^\n]*(?:\n|\Z)")
_COMMENT_TAIL = re.compile(r"#[^\n]*(?:\n|\Z)")


def strip_comments(text: str) -> str:
    """Drop everything from "#" to the end of its line.

    A1111 1.10.1 behaviour: a comment that fills its line becomes one newline together with the newlines on
    both sides, any other comment becomes one newline. "#ff0000" and "C#" are comments too, and a comment at
    the end leaves a trailing newline.
    """
    return _COMMENT_TAIL.sub("\n", _COMMENT_LINE.sub("\n", text))
