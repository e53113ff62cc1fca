"""Reading replies: pixels as arrays, infotexts as pairs; and pictures to send."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sdapi_compat.metadata import infotext


class Reading:
    """What tests look at in a reply of txt2img and img2img."""

    def __init__(self, pictures: Any) -> None:
        self._pictures = pictures

    def image(self, reply: dict[str, Any], index: int = 0) -> Image.Image:
        """A picture of the reply."""
        return self._pictures.decode(reply["images"][index])

    def pixels(self, reply: dict[str, Any], index: int = 0) -> NDArray[np.int64]:
        """Its pixels (H, W, 3), signed so that they can be subtracted."""
        return np.asarray(self.image(reply, index).convert("RGB")).astype(np.int64)

    def info(self, reply: dict[str, Any]) -> dict[str, Any]:
        """The info JSON."""
        return dict(json.loads(reply["info"]))

    def pairs(self, reply: dict[str, Any], index: int = 0) -> dict[str, str]:
        """The pairs of infotext `index`; sizes, which are read as two numbers, put together again."""
        pairs: dict[str, str] = {}
        for key, value in infotext.parse(self.info(reply)["infotexts"][index]).fields.items():
            name = key.removesuffix("-1").removesuffix("-2")
            pairs[name] = f"{pairs[name]}x{value}" if name in pairs else value
        return pairs

    def difference(self, one: dict[str, Any], other: dict[str, Any]) -> int:
        """The largest difference of two replies' first pictures, in levels."""
        return int(np.abs(self.pixels(one) - self.pixels(other)).max())


@pytest.fixture(scope="session")
def read(pictures: Any) -> Reading:
    """How to read replies."""
    return Reading(pictures)


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """64x64 RGB with something everywhere: two gradients and a checkerboard."""
    y, x = np.mgrid[0:64, 0:64]
    return Image.fromarray(np.stack([x * 4, y * 4, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8))


@pytest.fixture(scope="session")
def mask() -> Image.Image:
    """64x64 L, white in the middle 32x32."""
    image = Image.new("L", (64, 64))
    image.paste(255, (16, 16, 48, 48))
    return image
