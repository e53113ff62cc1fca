"""The scripts that come along, and a stand-in for the engine that makes plain squares in no time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from PIL import Image

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.wire import ImageLimits
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.plan.draft import Draft, Limits, from_img2img, from_txt2img
from sdapi_compat.plan.plan import ModelChoice
from sdapi_compat.plan.world import World
from sdapi_compat.prompt.styles import StyleBook
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img
from sdapi_compat.scripting import Outcome, Picture
from sdapi_compat.scripting.index import ScriptIndex, discover

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(ImageLimits(), 4096)


class Shelf:
    """Two checkpoints, "small" and "other", and one VAE."""

    def configured(self, snapshot: Snapshot) -> ModelChoice:
        """The checkpoint of the options."""
        return ModelChoice(snapshot.text("sd_model_checkpoint") or "small")

    def named(self, text: str, snapshot: Snapshot) -> tuple[ModelChoice, str]:
        """The checkpoint whose name begins with the text."""
        for name in ("small", "other"):
            if name.startswith(text):
                return ModelChoice(name), name
        raise Fault("Exception", f"Could not find checkpoint with name {text}")

    def vae_names(self) -> list[str]:
        """One."""
        return ["Soft.safetensors"]

    def has_network(self, kind: str, name: str) -> bool:
        """None."""
        return False


WORLD = World(
    models=Shelf(),
    styles=StyleBook([]),
    data_dir=Path("data"),
    max_name_length=128,
    unix_names=False,
    keep_history=False,
    check_nan=True,
)


class Played(NamedTuple):
    """A script's run: what it asked for, what came of it, how many parts it promised."""

    asked: list[Draft]
    outcome: Outcome
    parts: int | list[int]

    def each(self, name: str) -> list[Any]:
        """One field of all the drafts."""
        return [getattr(draft, name) for draft in self.asked]


@pytest.fixture(scope="session")
def scripts() -> ScriptIndex:
    """What lies in scripts/."""
    return discover([ROOT / "scripts"], [])


@pytest.fixture
def txt2img() -> Callable[..., Draft]:
    """A draft of a txt2img body, 64x64 with seed 5; `options` are those that are not at their default."""

    def make(options: dict[str, Any] | None = None, **fields: Any) -> Draft:
        body = {"prompt": "a red apple", "seed": 5, "width": 64, "height": 64, "steps": 4} | fields
        request = msgspec.convert(body, StableDiffusionProcessingTxt2Img)
        return from_txt2img(request, Snapshot(options or {}), LIMITS)

    return make


@pytest.fixture
def img2img(pictures: Any) -> Callable[..., Draft]:
    """A draft of an img2img body; `image` is the init image."""

    def make(image: Image.Image | None = None, options: dict[str, Any] | None = None, **fields: Any) -> Draft:
        body = {"prompt": "a red apple", "seed": 5, "width": 64, "height": 64, "steps": 4} | fields
        body["init_images"] = [pictures.encode(image or Image.new("RGB", (64, 64), "red"))]
        request = msgspec.convert(body, StableDiffusionProcessingImg2Img)
        return from_img2img(request, Snapshot(options or {}), LIMITS)

    return make


def colour(number: int) -> tuple[int, int, int]:
    """Another one for every part."""
    return (number * 40 % 256, number * 7 % 256, 128)


def made(draft: Draft, number: int) -> Outcome:
    """Squares of one colour for every picture of a draft."""
    count = draft.batch_size * draft.n_iter
    seed = draft.seed if isinstance(draft.seed, int) else draft.seed[0]
    text = f"{draft.prompt}\nSteps: {draft.steps}, Seed: {seed}, Version: v1.10.1"
    square = Picture(Image.new("RGB", (draft.width, draft.height), colour(number)), text)
    info = {
        "prompt": draft.prompt,
        "all_prompts": [draft.prompt] * count,
        "all_negative_prompts": [draft.negative_prompt] * count,
        "seed": seed,
        "all_seeds": [seed + index for index in range(count)],
        "subseed": draft.subseed,
        "all_subseeds": [draft.subseed] * count,
        "denoising_strength": draft.denoising_strength,
        "index_of_first_image": 0,
        "infotexts": [text] * count,
    }
    return Outcome([square] * count, [text] * count, info)


@pytest.fixture
def play(scripts: ScriptIndex) -> Callable[..., Played]:
    """`play(title, draft, arguments)`: run a script. Parts numbered in `failing` fail, those from
    `interrupted` on have no pictures."""

    def run(
        title: str,
        draft: Draft,
        arguments: list[Any],
        *,
        failing: Collection[int] = (),
        interrupted: int = 1_000_000,
    ) -> Played:
        chosen = scripts.select(title, arguments, draft.kind)
        assert chosen is not None
        prepared = chosen.plugin.prepare(draft, chosen.arguments, WORLD)
        parts = chosen.plugin.parts(draft, prepared)
        running, asked = chosen.plugin.run(draft, prepared), []
        outcome: Outcome | None = None
        try:
            while True:
                if asked and len(asked) - 1 in failing:
                    part = running.throw(Fault("MemoryError", f"part {len(asked) - 1}"))
                else:
                    part = next(running) if outcome is None else running.send(outcome)
                outcome = made(part, len(asked))
                if len(asked) >= interrupted:
                    outcome = Outcome([], outcome.infotexts[:1], outcome.info)
                asked.append(part)
        except StopIteration as stop:
            return Played(asked, stop.value, parts)

    return run


@pytest.fixture(scope="session")
def colour_of() -> Callable[[int], tuple[int, int, int]]:
    """The colour of a part by its number."""
    return colour
