"""What an infotext means: its fields together with everything it leaves unsaid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from sdapi_compat.errors import SdapiError
from sdapi_compat.metadata.infotext import parse
from sdapi_compat.metadata.styles import StyleExtractor, no_styles
from sdapi_compat.metadata.versions import Version, parse_version

SAME_SAMPLER = "Use same sampler"
SAME_SCHEDULER = "Use same scheduler"
SAME_CHECKPOINT = "Use same checkpoint"

Parameters = dict[str, object]
"""Labels to values: strings from the text, numbers and flags from the defaults, "Styles array" a list."""

# What the original fills in, in its order; the steps between the two tables add keys of their own.
_DEFAULTS_BEFORE_SIZES: tuple[tuple[str, object], ...] = (
    ("Hires resize-1", 0),
    ("Hires resize-2", 0),
    ("Hires sampler", SAME_SAMPLER),
    ("Hires schedule type", SAME_SCHEDULER),
    ("Hires checkpoint", SAME_CHECKPOINT),
    ("Hires prompt", ""),
    ("Hires negative prompt", ""),
    ("Mask mode", "Inpaint masked"),
    ("Masked content", "original"),
    ("Inpaint area", "Whole picture"),
    ("Masked area padding", 32),
)
_DEFAULTS_AFTER_SIZES: tuple[tuple[str, object], ...] = (
    ("RNG", "GPU"),
    ("Schedule type", "Automatic"),
    ("Schedule max sigma", 0),
    ("Schedule min sigma", 0),
    ("Schedule rho", 0),
    ("VAE Encoder", "Full"),
    ("VAE Decoder", "Full"),
    ("FP8 weight", "Disable"),
)

# parse_version of 1.6.0, 1.7.0-225, 1.8.0 and 1.8.0-139.
_V160: Version = ((1, 6), 0, 0, -1)
_V170_ZERO_SNR: Version = ((1, 7), 0, 0, 225)
_V180: Version = ((1, 8), 0, 0, -1)
_V180_HIRES_STYLES: Version = ((1, 8), 0, 0, 139)

_OLD_PIXELS = 512 * 512
_OLD_MULTIPLE = 64
_LONGEST_SIDE = 6


class Fragment(Protocol):
    """A piece of a prompt with its weight."""

    @property
    def text(self) -> str: ...
    @property
    def weight(self) -> float: ...


AttentionParser = Callable[[str], Sequence[Fragment]]


class ParseRules(msgspec.Struct, frozen=True, kw_only=True):
    """How to read an infotext: an attention parser, the known styles, and four options by their own names."""

    attention: AttentionParser
    styles: StyleExtractor = no_styles
    auto_backcompat: bool = True
    infotext_styles: str = "Apply if any"
    infotext_skip_pasting: Sequence[str] = ()
    use_old_hires_fix_width_height: bool = False


def parameters(text: str, rules: ParseRules) -> Parameters:
    """All parameters of `text`, in the original's key order.

    A1111 1.10.1 behaviour, except that a broken number (a size that is none, a weight like "(a:1.2.3)") is
    read as absent or as emphasis where the original answers 500.
    """
    read = parse(text)
    found: Parameters = dict(read.fields)
    prompt, negative_prompt = _take_styles(found, read.prompt, read.negative_prompt, rules)
    found["Prompt"] = prompt
    found["Negative prompt"] = negative_prompt
    found.setdefault("Clip skip", "1")
    if "Hypernet" in found:
        found["Prompt"] = f"{prompt}<hypernet:{found['Hypernet']}:{found.get('Hypernet strength', '1.0')}>"
    _set_defaults(found, _DEFAULTS_BEFORE_SIZES)
    _restore_old_hires(found, rules.use_old_hires_fix_width_height)
    _set_defaults(found, _DEFAULTS_AFTER_SIZES)
    if found["FP8 weight"] != "Disable":
        found.setdefault("Cache FP16 weight for LoRA", False)
    if any(_uses_emphasis(part, rules.attention) for part in (prompt, negative_prompt)):
        found.setdefault("Emphasis", "Original")
    found.setdefault("Refiner switch by sampling steps", False)
    if rules.auto_backcompat:
        _add_old_behaviour(found)
    for key in rules.infotext_skip_pasting:
        found.pop(key, None)
    return found


def _set_defaults(found: Parameters, defaults: tuple[tuple[str, object], ...]) -> None:
    for key, default in defaults:
        found.setdefault(key, default)


def _take_styles(found: Parameters, prompt: str, negative: str, rules: ParseRules) -> tuple[str, str]:
    """Move styles from the prompts to "Styles array"; the prompts that remain."""
    if rules.infotext_styles == "Ignore":
        return prompt, negative
    names, plain, plain_negative = rules.styles(prompt, negative)
    if _hires_prompts_have_styles(found):
        hires = str(found.get("Hires prompt", prompt)), str(found.get("Hires negative prompt", negative))
        hires_names, hires_plain, hires_negative = rules.styles(*hires)
        if hires_names != names:
            return prompt, negative
        found["Hires prompt"] = "" if hires_plain == plain else hires_plain
        found["Hires negative prompt"] = "" if hires_negative == plain_negative else hires_negative
    if rules.infotext_styles == "Apply" or (rules.infotext_styles == "Apply if any" and names):
        found["Styles array"] = names
    return plain, plain_negative


def _hires_prompts_have_styles(found: Parameters) -> bool:
    if "Hires prompt" not in found and "Hires negative prompt" not in found:
        return False
    version = _version(found)
    return version is None or version > _V180_HIRES_STYLES


def _uses_emphasis(prompt: str, attention: AttentionParser) -> bool:
    try:
        fragments = attention(prompt)
    except (SdapiError, ValueError):
        # Only a weight can be malformed, so there is one.
        return True
    return any(fragment.weight != 1.0 and fragment.text != "BREAK" for fragment in fragments)


def _restore_old_hires(found: Parameters, sizes_are_final: bool) -> None:
    """Sizes as they are meant today, from the days when "Size" was the final size of a hires picture."""
    if sizes_are_final:
        target = _side(found["Hires resize-1"]), _side(found["Hires resize-2"])
        if all(target):
            found["Size-1"], found["Size-2"] = target
            return
    first = _side(found.get("First pass size-1")), _side(found.get("First pass size-2"))
    width, height = _side(found.get("Size-1", 512)), _side(found.get("Size-2", 512))
    if first[0] is None or first[1] is None or not width or not height:
        return
    found["Size-1"], found["Size-2"] = first if all(first) else _old_first_pass(width, height)
    found["Hires resize-1"], found["Hires resize-2"] = width, height


def _old_first_pass(width: int, height: int) -> tuple[int, int]:
    """A first pass of about 512x512 pixels in the shape of the final picture."""
    scale = math.sqrt(_OLD_PIXELS / (width * height))
    across, down = (math.ceil(scale * side / _OLD_MULTIPLE) * _OLD_MULTIPLE for side in (width, height))
    return across, down


def _side(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_SIDE else None


def _add_old_behaviour(found: Parameters) -> None:
    """Ask for the behaviour of the version the picture was made with."""
    version = _version(found)
    if version is None:
        return
    if version < _V160 and "[" in str(found["Prompt"]):
        found["Old prompt editing timelines"] = True
    if version < _V160 and found.get("Sampler") in ("DDIM", "PLMS"):
        found["Pad conds v0"] = True
    if version < _V170_ZERO_SNR:
        found["Downcast alphas_cumprod"] = True
    if version < _V180 and found.get("Refiner"):
        found["Refiner switch by sampling steps"] = True


def _version(found: Parameters) -> Version | None:
    text = found.get("Version")
    return parse_version(text) if isinstance(text, str) else None
