"""Finding which styles a prompt was made with, and taking their text out again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

PLACEHOLDER = "{prompt}"

_SPACES = re.compile(" {2,}")


class StyleText(Protocol):
    """What is needed of a style; a divider has no texts."""

    @property
    def name(self) -> str: ...
    @property
    def prompt(self) -> str | None: ...
    @property
    def negative_prompt(self) -> str | None: ...


class Extracted(NamedTuple):
    """Names in the order the styles were applied, and the prompts as they were before."""

    names: list[str]
    prompt: str
    negative_prompt: str


StyleExtractor = Callable[[str, str], Extracted]


def no_styles(prompt: str, negative_prompt: str) -> Extracted:
    """The extractor of a server without styles."""
    return Extracted([], prompt, negative_prompt)


def style_extractor(styles: Iterable[StyleText]) -> StyleExtractor:
    """An extractor that knows `styles`.

    A1111 1.10.1 behaviour: again and again the first style (in file order) whose prompt and negative prompt
    both match is taken out, until none matches; every style at most once.
    """
    known = [style for style in styles if style.prompt or style.negative_prompt]

    def extract(prompt: str, negative_prompt: str) -> Extracted:
        return _extract(known, prompt, negative_prompt)

    return extract


def _extract(styles: Sequence[StyleText], prompt: str, negative_prompt: str) -> Extracted:
    left = list(styles)
    names: list[str] = []
    while True:
        texts = _normalised(prompt), _normalised(negative_prompt)
        for style in left:
            positive = _without(style.prompt, texts[0])
            negative = _without(style.negative_prompt, texts[1])
            if positive is not None and negative is not None:
                break
        else:
            return Extracted(names[::-1], prompt, negative_prompt)
        left.remove(style)
        names.append(style.name)
        prompt, negative_prompt = positive, negative


def _without(style: str | None, text: str) -> str | None:
    """`text` without the style's part, None when the style is not in it. `text` is normalised."""
    before, placeholder, after = _normalised(style or "").partition(PLACEHOLDER)
    if not placeholder:
        return text[: len(text) - len(before)].removesuffix(", ") if text.endswith(before) else None
    if len(before) + len(after) > len(text) or not text.startswith(before) or not text.endswith(after):
        return None
    return text[len(before) : len(text) - len(after)]


def _normalised(text: str) -> str:
    return _SPACES.sub(" ", text.strip())
