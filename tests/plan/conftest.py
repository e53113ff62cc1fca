"""Real options, real styles, and a stand-in for the folder of models: planning needs no more."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.wire import ImageLimits
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.plan.build import build
from sdapi_compat.plan.draft import Draft, Limits, from_img2img, from_txt2img
from sdapi_compat.plan.plan import ModelChoice, Plan
from sdapi_compat.plan.world import World
from sdapi_compat.prompt.styles import Style, StyleBook
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

LONGEST_SIDE = 2048
STYLES = StyleBook(
    [Style("cinematic", "still of {prompt}, deep", "cartoon"), Style("plain", "high detail", "blurry")]
)


class Shelf:
    """Two checkpoints: "small" is configured unless the options name the other, "other"."""

    def configured(self, snapshot: Snapshot) -> ModelChoice:
        """The checkpoint of the options."""
        return ModelChoice(snapshot.text("sd_model_checkpoint") or "small")

    def named(self, text: str, snapshot: Snapshot) -> tuple[ModelChoice, str]:
        """The checkpoint "other", by that name only."""
        if text != "other":
            raise Fault("Exception", f"Could not find checkpoint with name {text}")
        return ModelChoice("other"), "other [0123456789]"

    def has_network(self, kind: str, name: str) -> bool:
        """One of each kind, called "light"."""
        return kind in ("lora", "hypernet") and name == "light"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The facts of a server in an empty folder."""
    return World(
        models=Shelf(),
        styles=STYLES,
        data_dir=tmp_path,
        max_name_length=128,
        unix_names=False,
        keep_history=True,
        check_nan=True,
    )


@pytest.fixture(scope="session")
def limits() -> Limits:
    """Sides up to 2048, pictures up to a megapixel."""
    return Limits(ImageLimits(max_pixels=1024 * 1024), LONGEST_SIDE)


@pytest.fixture(scope="session")
def encoded() -> Callable[[Image.Image], str]:
    """A picture as base64 of a PNG."""

    def encode(image: Image.Image) -> str:
        data = io.BytesIO()
        image.save(data, "PNG")
        return base64.b64encode(data.getvalue()).decode()

    return encode


@pytest.fixture
def txt2img(limits: Limits) -> Callable[..., Draft]:
    """A Draft of a txt2img body: `txt2img(steps=3)`; `options`: those that are not at their default."""

    def make(options: dict[str, Any] | None = None, **fields: Any) -> Draft:
        request = msgspec.convert({"seed": 5, "subseed": 50} | fields, StableDiffusionProcessingTxt2Img)
        return from_txt2img(request, Snapshot(options or {}), limits)

    return make


@pytest.fixture
def img2img(limits: Limits, encoded: Callable[[Image.Image], str]) -> Callable[..., Draft]:
    """A Draft of an img2img body; pictures may be given as such."""

    def wire(value: Any) -> Any:
        if isinstance(value, list):
            return [wire(one) for one in value]
        return encoded(value) if isinstance(value, Image.Image) else value

    def make(options: dict[str, Any] | None = None, **fields: Any) -> Draft:
        body = {"seed": 5, "subseed": 50, "width": 64, "height": 64} | fields
        body.setdefault("init_images", [Image.new("RGB", (64, 64), "red")])
        body = {name: wire(value) for name, value in body.items()}
        request = msgspec.convert(body, StableDiffusionProcessingImg2Img)
        return from_img2img(request, Snapshot(options or {}), limits)

    return make


@pytest.fixture
def plan_of(
    world: World, txt2img: Callable[..., Draft], img2img: Callable[..., Draft]
) -> Callable[..., Plan]:
    """The Plan of a body: img2img where it has `init_images`."""

    def make(options: dict[str, Any] | None = None, **fields: Any) -> Plan:
        draft = (img2img if "init_images" in fields else txt2img)(options, **fields)
        return build(draft, Snapshot(options or {}), world)

    return make
