"""The emphasis modes (option `emphasis`), as far as they concern parsing.

What a mode does to the text encoder's output is the backend's part: with z the output, w the weights per
token and the means taken over the whole tensor,

    ORIGINAL  z*w * mean(z)/mean(z*w)        NO_NORM  z*w        IGNORE, NONE  z
"""

from __future__ import annotations

from enum import Enum

from sdapi_compat.prompt import attention
from sdapi_compat.prompt.attention import Fragment


class Emphasis(Enum):
    """How weights act; the values are the option's."""

    ORIGINAL = "Original"
    NO_NORM = "No norm"
    IGNORE = "Ignore"
    NONE = "None"

    @classmethod
    def named(cls, option: str) -> Emphasis:
        """The mode an option value names. A1111 1.10.1 behaviour: any unknown value means "Original"."""
        return next((mode for mode in cls if mode.value == option), cls.ORIGINAL)


def fragments(text: str, emphasis: Emphasis) -> list[Fragment]:
    """Split a text into weighted fragments under an emphasis mode.

    A1111 1.10.1 behaviour: with NONE brackets, backslashes and BREAK are ordinary text and the whole text is
    one fragment; with IGNORE they are parsed as usual, only the weights go unused later.

    Raises Fault("ValueError") where `attention.parse` does.
    """
    if emphasis is Emphasis.NONE:
        return [Fragment(text, 1.0)]
    return attention.parse(text)
