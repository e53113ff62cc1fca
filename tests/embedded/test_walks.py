"""Walks along the sampler's own paths."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sdapi_compat.embedded.train import walks as walking  # noqa: E402
from sdapi_compat.embedded.train.noise import velocity  # noqa: E402
from sdapi_compat.embedded.train.walks import Start, Walks  # noqa: E402


def _starts(pinned: bool) -> Callable[[], Start]:
    def start() -> Start:
        reading = torch.full((1, 4, 8, 8), 0.5)
        return Start(reading + 0.1, torch.zeros(1, 77, 256), reading, pinned)

    return start


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No walk is given up early."""
    monkeypatch.setattr(walking, "GIVEN_UP", 0.0)


@pytest.mark.parametrize("pinned", [True, False])
def test_right_predictions_lead_from_noise_to_the_target(
    monkeypatch: pytest.MonkeyPatch, pinned: bool
) -> None:
    monkeypatch.setattr(walking, "PURE_SHARE", 1.0)
    monkeypatch.setattr(walking, "STEPS", (20,))
    torch.manual_seed(4)
    walks = Walks(2, _starts(pinned), random.Random(1))
    seen = []
    for _ in range(40):
        noisy, times, states, wanted = walks.places()
        assert states.shape == (2, 77, 256)
        seen.append((int(times[0]), float((noisy - wanted).square().mean())))
        walks.advance(velocity(noisy, wanted, times))
    first_walk = seen[: [time for time, _ in seen].index(951, 1)]
    times_seen = [time for time, _ in first_walk]
    assert times_seen == list(range(951, 0, -50))
    assert first_walk[-1][1] < 0.01 * first_walk[0][1]


def test_walks_without_words_for_the_background_start_at_a_noisy_scene() -> None:
    torch.manual_seed(4)
    walks = Walks(64, _starts(pinned=False), random.Random(1))
    noisy, times, _, wanted = walks.places()
    # 0.6 of the background at the last time's share of the picture, 0.07, stands out in the mean of all.
    assert abs(float(noisy.mean())) < 0.2
    # Nothing but the tint differs from the reading at high noise, and it is the scene's.
    assert torch.allclose(wanted, torch.full_like(wanted, 0.6), atol=1e-5)
    assert int(times.min()) > 900


def test_late_mistakes_weigh_less() -> None:
    walks = Walks(4, _starts(pinned=False), random.Random(1))
    early = walks.weights()
    for _ in range(4):
        noisy, times, _, wanted = walks.places()
        walks.advance(velocity(noisy, wanted, times))
    assert bool((walks.weights() < early).all())
    assert bool((walks.weights() > 0).all())


def test_some_walks_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "GIVEN_UP", 1.0)
    monkeypatch.setattr(walking, "STEPS", (20,))
    walks = Walks(3, _starts(pinned=False), random.Random(1))
    noisy, times, _, wanted = walks.places()
    walks.advance(velocity(noisy, wanted, times))
    assert walks.places()[1].tolist() == [951, 951, 951]
