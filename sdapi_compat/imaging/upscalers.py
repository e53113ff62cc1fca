"""Pixel upscalers (the list behind /upscalers and hr_upscaler) and the table of latent upscale modes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec
from PIL import Image

from sdapi_compat.errors import Fault

_MAX_PASSES = 3


class Upscaler(msgspec.Struct, frozen=True):
    """One entry of the list.

    `enlarge(image, scale)` is one pass of the method; `scale` is what the caller wants in the end, which a
    network of fixed factor ignores. `scale` of the entry is what /upscalers shows.
    """

    name: str
    enlarge: Callable[[Image.Image, float], Image.Image]
    scale: float = 4.0
    model_name: str | None = None
    model_path: str | None = None
    model_url: str | None = None


class LatentUpscale(NamedTuple):
    """How latents are interpolated: the mode and the antialias switch of torch's `interpolate`."""

    mode: str
    antialias: bool


LATENT_MODES: dict[str, LatentUpscale] = {
    "Latent": LatentUpscale("bilinear", False),
    "Latent (antialiased)": LatentUpscale("bilinear", True),
    "Latent (bicubic)": LatentUpscale("bicubic", False),
    "Latent (bicubic antialiased)": LatentUpscale("bicubic", True),
    "Latent (nearest)": LatentUpscale("nearest", False),
    "Latent (nearest-exact)": LatentUpscale("nearest-exact", False),
}


def _resampled(method: Image.Resampling) -> Callable[[Image.Image, float], Image.Image]:
    def enlarge(image: Image.Image, scale: float) -> Image.Image:
        return image.resize((int(image.width * scale), int(image.height * scale)), method)

    return enlarge


def _unchanged(image: Image.Image, scale: float) -> Image.Image:
    return image


NONE = Upscaler("None", _unchanged)
BUILT_IN = (
    NONE,
    Upscaler("Lanczos", _resampled(Image.Resampling.LANCZOS)),
    Upscaler("Nearest", _resampled(Image.Resampling.NEAREST)),
)


class UpscalerList:
    """The upscalers in the order of /upscalers: the built-in three, then the others by lower-case name."""

    def __init__(self, others: Iterable[Upscaler] = ()) -> None:
        self._entries = (*BUILT_IN, *sorted(others, key=lambda entry: entry.name.lower()))

    def __iter__(self) -> Iterator[Upscaler]:
        return iter(self._entries)

    def find(self, name: str) -> Upscaler | None:
        """The entry of exactly this name."""
        return next((entry for entry in self._entries if entry.name == name), None)

    def require(self, name: str, error: str = "Exception") -> Upscaler:
        """As `find`, or a Fault `error`: the original raises Exception in hires, AssertionError in extras."""
        found = self.find(name)
        if found is None:
            raise Fault(error, f"could not find upscaler named {name}")
        return found

    def for_resize(self, name: str | None) -> Upscaler | None:
        """What `resize` should use for an option value.

        A1111 1.10.1 behaviour: null, "" and "None" mean plain Lanczos; an unknown name means the "None"
        upscaler, which passes through sizes of a multiple of 8.
        """
        if not name or name == NONE.name:
            return None
        return self.find(name) or NONE


def upscale(
    upscaler: Upscaler,
    image: Image.Image,
    scale: float,
    interrupted: Callable[[], bool] = lambda: False,
) -> Image.Image:
    """Enlarge by `scale`; both sides of the result are floored to a multiple of 8 (never under 8).

    A1111 1.10.1 behaviour: the method is applied until the picture is large enough, at most three times; a
    scale below 1 skips it, exactly 1 runs it once; Lanczos then makes the exact size.
    """
    width, height = (max(8, int(side * scale // 8 * 8)) for side in image.size)
    for turn in range(_MAX_PASSES):
        enough = image.width >= width and image.height >= height
        if scale < 1 or (enough and (turn > 0 or scale != 1)) or interrupted():
            break
        before = image.size
        image = upscaler.enlarge(image, scale)
        if image.size == before:
            break
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return image
