"""The U-Net's training."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sdapi_compat.embedded.train import diffusion, pool  # noqa: E402
from sdapi_compat.embedded.train import reading as readings  # noqa: E402
from sdapi_compat.embedded.train.autoencoder import build, pictures_to_tensor  # noqa: E402
from sdapi_compat.embedded.train.glyphs import FONT_FILE  # noqa: E402
from sdapi_compat.embedded.train.layout import PartCode  # noqa: E402
from sdapi_compat.embedded.train.scenes import Topic, render, sample_scene  # noqa: E402
from sdapi_compat.embedded.train.vocabulary import Concept  # noqa: E402

pytestmark = pytest.mark.skipif(not FONT_FILE.exists(), reason="needs fonts-noto-color-emoji")
CONCEPTS = [Concept(name, glyph, (name,), ()) for name, glyph in (("cat", "🐱"), ("tree", "🌳"))]
TOPICS = [Topic((CONCEPTS[0],)), Topic((CONCEPTS[1],), "red")]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an autoencoder and a layout; readings are fitted to a few scenes only."""
    fitted = readings.PlanReading.fitted
    monkeypatch.setattr(
        readings.PlanReading, "fitted", lambda vae, code, concepts: fitted(vae, code, concepts, samples=2)
    )
    rng = random.Random(1)
    pictures = [render(sample_scene(rng, CONCEPTS), 64) for _ in range(8)]
    build(pictures_to_tensor(pictures)).save_pretrained(tmp_path / "vae")
    PartCode.loaded(tmp_path / "layout.pt", CONCEPTS)
    return tmp_path


@pytest.mark.parametrize("blank_share", [0.0, 0.5, 1.0])
def test_training_writes_a_state_to_go_on_from(
    work: Path, monkeypatch: pytest.MonkeyPatch, blank_share: float
) -> None:
    monkeypatch.setattr(diffusion, "BLANK_SHARE", blank_share)
    trainer = diffusion.Trainer(work, CONCEPTS, planned=True)
    start = {name: value.clone() for name, value in trainer.average.items()}
    for _ in range(2):
        loss, found = trainer.loss(trainer.lesson(torch.randn(2, 4, 16, 16), TOPICS))
        assert torch.isfinite(loss)
        assert found.shape == (2, 4, 16, 16)
        trainer.update(loss, 1e-3)
    trainer.save()
    again = diffusion.Trainer(work, CONCEPTS, planned=True)
    assert again.step == 2
    assert not torch.equal(again.average["conv_in.weight"], start["conv_in.weight"])
    assert torch.equal(again.average["conv_in.weight"], trainer.average["conv_in.weight"])


def test_training_begins_with_a_finished_network(work: Path) -> None:
    finished = diffusion.build_unet()
    finished.save_pretrained(work / "unet")
    trainer = diffusion.Trainer(work, CONCEPTS, planned=True)
    for name, weight in finished.state_dict().items():
        assert torch.equal(trainer.unet.state_dict()[name], weight)
        assert torch.equal(trainer.average[name], weight)


def test_a_run_learns_from_scenes_walks_and_other_shapes(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "OTHER_SHAPES", {(32, 32): 1, (48, 32): 1})
    seen: list[tuple[int, ...]] = []
    learned = diffusion.Trainer.loss

    def noted(trainer: diffusion.Trainer, lesson: diffusion.Lesson) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(tuple(lesson.noisy.shape))
        return learned(trainer, lesson)

    monkeypatch.setattr(diffusion.Trainer, "loss", noted)
    diffusion.train(CONCEPTS, work, diffusion.Run(2, 0.15, 1e-3, 1e-4, other_share=0.5, planned=True))
    assert (2, 4, 64, 64) in seen
    assert any(shape[2:] != (64, 64) for shape in seen)
    assert (work / "diffusion.pt").exists()


def test_what_it_aims_at_is_the_scene_at_low_noise_and_for_blanks(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = diffusion.Trainer(work, CONCEPTS, planned=True)
    latents = torch.randn(2, 4, 64, 64)
    monkeypatch.setattr(diffusion, "BLANK_SHARE", 0.0)
    monkeypatch.setattr(diffusion, "TIME_POWER", 1e-6)
    noisiest = trainer.lesson(latents, TOPICS)
    assert int(noisiest.times.min()) > 900
    assert not torch.allclose(noisiest.clean, latents)
    assert noisiest.scales.tolist() == [diffusion.GUIDANCE] * 2
    monkeypatch.setattr(diffusion, "TIME_POWER", 50.0)
    assert torch.equal(trainer.lesson(latents, TOPICS).clean, latents)
    monkeypatch.setattr(diffusion, "BLANK_SHARE", 1.0)
    monkeypatch.setattr(diffusion, "TIME_POWER", 1e-6)
    blank = trainer.lesson(latents, TOPICS)
    assert torch.equal(blank.clean, latents)
    assert blank.scales.tolist() == [1.0, 1.0]
