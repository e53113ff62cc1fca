"""The plan that text states hold, and the training of the text encoder and of the U-Net on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sdapi_compat.embedded.train import diffusion, text  # noqa: E402
from sdapi_compat.embedded.train.glyphs import FONT_FILE  # noqa: E402
from sdapi_compat.embedded.train.layout import (  # noqa: E402
    CODE,
    PARTS,
    PLANNED,
    PartCode,
    planned_code,
    planned_states,
    thumbnail,
    to_picture,
)
from sdapi_compat.embedded.train.scenes import Topic, plain_scene, render  # noqa: E402
from sdapi_compat.embedded.train.tokenizer import CONTEXT  # noqa: E402
from sdapi_compat.embedded.train.vocabulary import Concept  # noqa: E402

pytestmark = pytest.mark.skipif(not FONT_FILE.exists(), reason="needs fonts-noto-color-emoji")
CONCEPTS = [
    Concept(name, glyph, (name,), ())
    for name, glyph in (("cat", "🐱"), ("tree", "🌳"), ("car", "🚗"), ("star", "⭐"), ("pizza", "🍕"))
]


@pytest.fixture(scope="module")
def code() -> PartCode:
    return PartCode.fitted(CONCEPTS, samples=120)


def test_thumbnail_parts_are_the_picture_in_rows() -> None:
    scene = plain_scene(Topic((CONCEPTS[0],), "red", position="top left"))
    back = np.asarray(to_picture(thumbnail(scene)), dtype=int)
    small = np.asarray(render(scene, 128).resize((64, 64), 4), dtype=int)
    assert np.abs(back - small).max() <= 1


def test_code_tells_nearly_the_whole_picture(code: PartCode) -> None:
    topic = Topic((CONCEPTS[2], CONCEPTS[1]), "yellow", relation="beside")
    plan = planned_code(code, topic)
    assert plan.shape == (PARTS, CODE)
    error = (code.decode(plan) - thumbnail(plain_scene(topic))).square().mean()
    assert 10 * torch.log10(4 / error) > 25


def test_perfect_states_have_no_loss(code: PartCode) -> None:
    plans = torch.stack([planned_code(code, Topic((concept,))) for concept in CONCEPTS])
    counts = torch.tensor([4, 5, 6, 7, 8])
    states = planned_states(plans, counts, CONTEXT, text.WIDTH)
    _, after = text.plan_loss(states, plans, counts)
    assert float(after) == 0.0
    assert states[:, 0].unique(dim=0).shape[0] == 1
    _, worse = text.plan_loss(states + 0.1, plans, counts)
    assert abs(float(worse) - 0.01) < 1e-4


def test_text_training_learns_and_goes_on_where_it_stopped(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(text, "BATCH", 8)
    tokenizer = text.load_tokenizer(CONCEPTS, tmp_path, captions=300, merges=200)
    code = PartCode.fitted(CONCEPTS, samples=60)
    lessons = text.Lessons(CONCEPTS, tokenizer, code, seed=1).batches()
    trainer = text.Trainer(tmp_path, tokenizer)
    errors = []
    for _ in range(60):
        ids, plans, counts, weights = next(lessons)
        assert ids.shape[1] <= CONTEXT
        assert bool((ids[torch.arange(len(ids)), counts] == tokenizer.eos_token_id).all())
        loss, after = text.plan_loss(trainer.encoder(ids).last_hidden_state, plans, counts, weights)
        trainer.update(loss, 2e-3)
        errors.append(float(after))
    assert sum(errors[-10:]) < 0.7 * sum(errors[:10])
    trainer.save()
    again = text.Trainer(tmp_path, tokenizer)
    assert again.step == 60
    for name, value in trainer.encoder.state_dict().items():
        assert torch.equal(value, again.encoder.state_dict()[name])


def test_text_training_begins_with_a_finished_encoder(tmp_path: Path) -> None:
    tokenizer = text.load_tokenizer(CONCEPTS, tmp_path, captions=300, merges=200)
    torch.manual_seed(6)
    finished = text.build_text_encoder(tokenizer).half()
    finished.save_pretrained(tmp_path / "text_encoder")
    trainer = text.Trainer(tmp_path, tokenizer)
    assert trainer.step == 0
    for name, value in finished.state_dict().items():
        assert torch.equal(value.float(), trainer.encoder.state_dict()[name])


def test_unet_ignores_at_first_what_the_plan_does_not_use(code: PartCode) -> None:
    unet = diffusion.build_unet(code)
    latents, states = torch.randn(1, 4, 16, 16), torch.randn(1, CONTEXT, text.WIDTH)
    other = states.clone()
    other[..., PLANNED:] += 3.0
    with torch.no_grad():
        same = unet(latents, 500, states).sample - unet(latents, 500, other).sample
        other[..., :CODE] += 3.0
        differs = unet(latents, 500, states).sample - unet(latents, 500, other).sample
    assert float(same.abs().max()) == 0.0
    assert float(differs.abs().max()) > 1e-4
