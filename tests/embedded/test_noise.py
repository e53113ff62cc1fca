"""The arithmetic of v-prediction against the library's own scheduler."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sdapi_compat.embedded.train.noise import (  # noqa: E402
    euler_step,
    guided,
    noised,
    schedule,
    training_noise,
    velocity,
)

TIMES = torch.tensor([951, 501, 1])


def test_v_is_the_scheduler_s() -> None:
    scheduler = schedule()
    clean, noise = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    noisy = scheduler.add_noise(clean, noise, TIMES)
    expected = scheduler.get_velocity(clean, noise, TIMES)
    assert torch.allclose(velocity(noisy, clean, TIMES), expected, atol=1e-3)


def test_a_step_with_the_right_v_stays_on_the_way_to_the_picture() -> None:
    scheduler = schedule()
    clean, noise = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    right = scheduler.get_velocity(clean, noise, TIMES)
    noisy = scheduler.add_noise(clean, noise, TIMES)
    later = torch.tensor([901, 401, -1])
    found = euler_step(noisy, right, TIMES, later)
    for row in (0, 1):
        expected = scheduler.add_noise(clean[row], noise[row], later[row])
        assert torch.allclose(found[row], expected, atol=1e-4)
    assert torch.allclose(found[2], clean[2], atol=1e-4)


def test_training_noise_is_more_than_white() -> None:
    torch.manual_seed(2)
    noise = training_noise(torch.zeros(64, 4, 32, 32))
    assert noise.shape == (64, 4, 32, 32)
    # White noise alone would have means of 1/32, and blocks of 8 x 8 means of 1/8.
    assert float(noise.mean((2, 3)).std()) > 0.06
    assert float(torch.nn.functional.avg_pool2d(noise, 8).std()) > 0.2


def test_noise_of_the_first_time_hardly_changes_the_picture() -> None:
    latents = torch.randn(2, 4, 16, 16)
    assert float((noised(latents, torch.tensor([0, 0])) - latents).abs().max()) < 0.5


def test_guidance_at_one_is_the_prompt_alone() -> None:
    asked, blank = torch.randn(2, 4), torch.randn(2, 4)
    assert torch.allclose(guided(asked, blank, 1.0), asked)
    assert torch.allclose(guided(asked, blank, 7.0), 7 * asked - 6 * blank, atol=1e-5)
