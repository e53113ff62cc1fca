from __future__ import annotations

import pytest
from PIL import Image


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """A small RGB picture, 37x23, with gradients, an edge and some grain."""
    image = Image.merge(
        "RGB",
        [
            Image.linear_gradient("L").resize((37, 23)),
            Image.radial_gradient("L").resize((37, 23)),
            Image.effect_noise((37, 23), 20),
        ],
    )
    image.paste((255, 0, 0), (5, 5, 12, 9))
    return image
