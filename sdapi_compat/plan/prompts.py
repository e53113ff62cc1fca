"""Prompts per image: styles merged, comments removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdapi_compat.errors import InvalidRequest, Problem
from sdapi_compat.plan.plan import Prompts
from sdapi_compat.prompt.comments import strip_comments
from sdapi_compat.prompt.extra_networks import KINDS, extract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdapi_compat.prompt.styles import StyleBook


class PromptOptions(NamedTuple):
    """`comments`: whether `#` starts one. `always`: networks for every prompt, as (kind, name).

    `strength`: that of those networks.
    """

    comments: bool
    always: tuple[tuple[str, str], ...]
    strength: float


class PromptRules:
    """The styles and options of one request, as far as they change prompts."""

    def __init__(self, book: StyleBook, styles: Sequence[str], options: PromptOptions) -> None:
        self._book = book
        self._styles = styles
        self._options = options

    def prepare(self, positive: str | Sequence[str], negative: str | Sequence[str], count: int) -> Prompts:
        """One pair per image. InvalidRequest when a list of prompts has another length."""
        pairs = zip(_listed(positive, count), _listed(negative, count), strict=True)
        done = [self._one(*pair) for pair in pairs]
        return Prompts(tuple(pair[0] for pair in done), tuple(pair[1] for pair in done))

    def _one(self, positive: str, negative: str) -> tuple[str, str]:
        positive, negative = self._book.apply(positive, negative, self._styles)
        if self._options.comments:
            positive, negative = strip_comments(positive), strip_comments(negative)
        return self._with_networks(positive), negative

    def _with_networks(self, prompt: str) -> str:
        """A1111 1.10.1 behaviour of sd_hypernetwork and sd_lora: their tags are appended if missing."""
        tags = extract(prompt)[1]
        had = {(KINDS.get(tag.kind), tag.positional[0]) for tag in tags if tag.positional}
        missing = [one for one in self._options.always if one not in had]
        return prompt + "".join(f"<{kind}:{name}:{self._options.strength}>" for kind, name in missing)


def listed_batches(count: int, batch_size: int) -> dict[str, int]:
    """`batch_size` and `n_iter` that make `count` pictures, one per prompt of a list.

    `batch_size`: how many may be made at a time; the largest number below that divides `count` is taken.
    """
    fitting = max(size for size in range(1, min(batch_size, count) + 1) if count % size == 0)
    return {"batch_size": fitting, "n_iter": count // fitting}


def _listed(prompt: str | Sequence[str], count: int) -> Sequence[str]:
    if isinstance(prompt, str):
        return [prompt] * count
    if len(prompt) != count:
        message = f"ensure this value has as many items as there are images ({count})"
        raise InvalidRequest([Problem(("body", "prompt"), message, "value_error.list")])
    return prompt
