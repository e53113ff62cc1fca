"""Prompts per image: styles merged, comments removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdapi_compat.errors import InvalidRequest, Problem
from sdapi_compat.plan.plan import Prompts
from sdapi_compat.prompt.comments import strip_comments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdapi_compat.prompt.styles import StyleBook


class PromptRules:
    """The styles of one request, and whether `#` starts a comment."""

    def __init__(self, book: StyleBook, styles: Sequence[str], *, comments: bool) -> None:
        self._book = book
        self._styles = styles
        self._comments = comments

    def prepare(self, positive: str | Sequence[str], negative: str | Sequence[str], count: int) -> Prompts:
        """One pair per image. InvalidRequest when a list of prompts has another length."""
        pairs = zip(_listed(positive, count), _listed(negative, count), strict=True)
        done = [self._one(*pair) for pair in pairs]
        return Prompts(tuple(pair[0] for pair in done), tuple(pair[1] for pair in done))

    def _one(self, positive: str, negative: str) -> tuple[str, str]:
        positive, negative = self._book.apply(positive, negative, self._styles)
        if self._comments:
            return strip_comments(positive), strip_comments(negative)
        return positive, negative


def _listed(prompt: str | Sequence[str], count: int) -> Sequence[str]:
    if isinstance(prompt, str):
        return [prompt] * count
    if len(prompt) != count:
        message = f"ensure this value has as many items as there are images ({count})"
        raise InvalidRequest([Problem(("body", "prompt"), message, "value_error.list")])
    return prompt
