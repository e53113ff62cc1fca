from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.sampling.recipe import (
    AskedNoise,
    Churn,
    ConfiguredNoise,
    Img2ImgSteps,
    SigmaRecipe,
    effective_eta,
    img2img_steps,
    noise_settings,
    shows_ensd,
)
from sdapi_compat.sampling.table import SAMPLER_BY_NAME

EULER = SAMPLER_BY_NAME["Euler"]
EULER_A = SAMPLER_BY_NAME["Euler a"]
DDIM = SAMPLER_BY_NAME["DDIM"]
NOTHING = AskedNoise()
DEFAULTS = ConfiguredNoise()


def test_a_recipe_survives_json() -> None:
    recipe = SigmaRecipe(sampler="Euler", scheduler="Karras", steps=20, rho=5.0)
    assert msgspec.json.decode(msgspec.json.encode(recipe), type=SigmaRecipe) == recipe


def test_defaults_say_nothing() -> None:
    assert noise_settings(EULER, NOTHING, DEFAULTS) == (1.0, Churn(), {})
    assert noise_settings(EULER_A, NOTHING, DEFAULTS) == (1.0, Churn(), {})
    assert noise_settings(DDIM, NOTHING, DEFAULTS) == (0.0, Churn(), {})


def test_eta_comes_from_the_request_then_from_the_option_of_its_kind() -> None:
    configured = ConfiguredNoise(eta_ancestral=0.6, eta_ddim=0.2)
    assert noise_settings(EULER_A, NOTHING, configured)[::2] == (0.6, {"Eta": 0.6})
    assert noise_settings(DDIM, NOTHING, configured)[::2] == (0.2, {"Eta DDIM": 0.2})
    assert noise_settings(DDIM, AskedNoise(eta=1.0), configured)[::2] == (1.0, {"Eta DDIM": 1.0})
    assert noise_settings(EULER_A, AskedNoise(eta=0.0), configured)[::2] == (0.0, {"Eta": 0.0})


def test_a_sampler_without_eta_does_not_mention_it() -> None:
    assert noise_settings(EULER, AskedNoise(eta=0.3), DEFAULTS).infotext == {}


def test_an_asked_churn_is_used_but_not_mentioned() -> None:
    settings = noise_settings(EULER, AskedNoise(s_churn=10.0, s_tmax=3.0, s_noise=1.1), DEFAULTS)
    assert settings.churn == Churn(10.0, 0.0, 3.0, 1.1)
    assert settings.infotext == {}


def test_a_configured_churn_beats_the_request_and_is_mentioned() -> None:
    configured = ConfiguredNoise(s_churn=5.0, s_tmin=0.1, s_tmax=8.0, s_noise=1.02)
    settings = noise_settings(EULER, AskedNoise(s_churn=10.0, s_noise=1.5), configured)
    assert settings.churn == Churn(5.0, 0.1, 8.0, 1.02)
    assert settings.infotext == {
        "Sigma churn": 5.0,
        "Sigma tmin": 0.1,
        "Sigma tmax": 8.0,
        "Sigma noise": 1.02,
    }


def test_s_tmax_zero_means_no_upper_end() -> None:
    assert noise_settings(EULER, AskedNoise(s_tmax=0.0), DEFAULTS).churn.s_tmax == math.inf


def test_samplers_take_only_the_churn_they_know() -> None:
    asked = AskedNoise(s_churn=10.0, s_noise=1.1)
    configured = ConfiguredNoise(s_tmin=0.5)
    assert noise_settings(EULER_A, asked, configured).churn == Churn()
    fast = noise_settings(SAMPLER_BY_NAME["DPM fast"], asked, configured)
    assert fast.churn == Churn(s_noise=1.1)
    assert fast.infotext == {}


@pytest.mark.parametrize(
    ("name", "eta", "delta", "shown"),
    [
        ("Euler a", 1.0, 31337, True),
        ("Euler a", 0.0, 31337, False),
        ("Euler a", 1.0, 0, False),
        ("DPM++ 2M SDE", 1.0, 31337, False),
        ("DDIM", 1.0, 31337, False),
    ],
)
def test_ensd_is_shown_for_ancestral_samplers_that_add_noise(
    name: str, eta: float, delta: int, shown: bool
) -> None:
    assert shows_ensd(SAMPLER_BY_NAME[name], eta, delta) is shown


def test_effective_eta_of_samplers_without_one_is_the_ancestral_option() -> None:
    assert effective_eta(EULER, None, ConfiguredNoise(eta_ancestral=0.4)) == 0.4
    assert effective_eta(SAMPLER_BY_NAME["PLMS"], None, ConfiguredNoise(eta_ddim=0.3)) == 0.3


@pytest.mark.parametrize(
    ("steps", "denoise", "fixed", "expected"),
    [
        (20, 0.75, False, (20, 15)),
        (20, 0.5, False, (20, 10)),
        (20, 1.0, False, (20, 19)),
        (20, 2.0, False, (20, 19)),
        (1, 0.75, False, (1, 0)),
        (20, 0.0, False, (20, 0)),
        (20, 0.5, True, (40, 19)),
        (20, 0.7, True, (28, 19)),
        (20, 1.0, True, (20, 19)),
        (20, 0.0, True, (0, 19)),
        (20, -1.0, True, (0, 19)),
    ],
)
def test_img2img_steps(steps: int, denoise: float, fixed: bool, expected: Img2ImgSteps) -> None:
    assert img2img_steps(steps, denoise, fixed) == expected


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.floats(0.001, 1.0))
def test_img2img_runs_at_least_one_step_and_at_most_all(steps: int, denoise: float) -> None:
    part = img2img_steps(steps, denoise, False)
    assert 1 <= part.t_enc + 1 <= part.total == steps
    whole = img2img_steps(steps, denoise, True)
    assert whole.t_enc + 1 == steps <= whole.total
