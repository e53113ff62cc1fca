from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sdapi_compat.backend.loading import load_checkpoint, load_vae
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.registry import CheckpointPlaces, CheckpointRegistry
from sdapi_compat.backend.registry_vae import VaeFile

POLICY = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))


def _model(path: Path) -> DiffusionModel:
    info = CheckpointRegistry.scan(CheckpointPlaces(models=path.parent), None).find(path.name)
    assert info is not None
    return load_checkpoint(info, None, POLICY)


@pytest.fixture(scope="module")
def model(ldm_folder: Path) -> DiffusionModel:
    return _model(ldm_folder / "tiny.safetensors")


@pytest.fixture(scope="module")
def v_model(tmp_path_factory: pytest.TempPathFactory, write_ldm: Callable[..., Path]) -> DiffusionModel:
    folder = tmp_path_factory.mktemp("v")
    return _model(write_ldm(folder / "v.safetensors", parameterization='parameterization: "v"'))


@pytest.fixture
def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "x": torch.randn(3, 4, 8, 6, generator=generator) * 5,
        "context": torch.randn(3, 77, 8, generator=generator),
        "sigma": torch.tensor([0.2, 3.0, 12.5]),
        "timestep": torch.tensor([10.0, 500.25, 999.0]),
    }


def test_facts(model: DiffusionModel) -> None:
    assert (model.prediction, model.conditioning, model.latent_channels) == ("eps", "text", 4)
    assert model.vae_name is None
    assert model.device == torch.device("cpu")
    assert model.vocabulary.eos == 49407
    assert len(model.noise_schedule.alphas_cumprod) == 1000
    modules: list[nn.Module] = [model.unet, model.text.module, model.codec.module]
    weights = sum(parameter.numel() for module in modules for parameter in module.parameters())
    assert 4 * weights <= model.size_in_bytes < 4 * weights + 10_000


def test_encode_chunks_leaves_no_gradients(model: DiffusionModel) -> None:
    chunk = SimpleNamespace(tokens=[49406, 320] + [49407] * 75, weights=[1.0] * 77, embeddings=[])
    states = model.encode_chunks([[chunk], [chunk]])
    assert states.shape == (2, 77, 8)
    assert not states.requires_grad
    assert torch.equal(states[0], states[1])


def test_predict_rows_are_independent(model: DiffusionModel, batch: dict[str, Tensor]) -> None:
    together = model.predict(batch["x"], batch["timestep"], batch["context"])
    assert together.shape == (3, 4, 8, 6)
    assert together.dtype == torch.float32
    for row in range(3):
        one = slice(row, row + 1)
        alone = model.predict(batch["x"][one], batch["timestep"][one], batch["context"][one])
        assert torch.allclose(alone[0], together[row], atol=1e-4)
    whole = model.predict(batch["x"], batch["timestep"].floor(), batch["context"])
    assert not torch.allclose(whole[1], together[1], atol=1e-6)


def _column(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def test_denoise_of_an_eps_model(model: DiffusionModel, batch: dict[str, Tensor]) -> None:
    sigma = _column(batch["sigma"])
    times = torch.tensor([model.noise_schedule.sigma_to_t(s) for s in batch["sigma"].tolist()])
    eps = model.predict(batch["x"] / (sigma**2 + 1) ** 0.5, times, batch["context"])
    denoised = model.denoise(batch["x"], batch["sigma"], batch["context"])
    assert torch.allclose(denoised, batch["x"] - sigma * eps, atol=1e-4)
    given = model.denoise(batch["x"], batch["sigma"], batch["context"], timestep=times)
    assert torch.equal(given, denoised)
    other = model.denoise(batch["x"], batch["sigma"], batch["context"], timestep=times * 0)
    assert not torch.allclose(other, denoised, atol=1e-4)


def test_denoise_of_a_v_model(v_model: DiffusionModel, batch: dict[str, Tensor]) -> None:
    sigma = _column(batch["sigma"])
    times = torch.tensor([v_model.noise_schedule.sigma_to_t(s) for s in batch["sigma"].tolist()])
    scaled = batch["x"] / (sigma**2 + 1) ** 0.5
    v = v_model.predict(scaled, times, batch["context"])
    # x0 = sqrt(abar) x_t - sqrt(1 - abar) v with abar = 1 / (sigma^2 + 1)
    alpha = 1 / (sigma**2 + 1)
    expected = alpha.sqrt() * scaled - (1 - alpha).sqrt() * v
    assert torch.allclose(v_model.denoise(batch["x"], batch["sigma"], batch["context"]), expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["eps", "v"])
def test_both_families_agree_on_the_same_latents(
    model: DiffusionModel, v_model: DiffusionModel, batch: dict[str, Tensor], kind: str
) -> None:
    """x0 from `denoise` equals x0 computed from `predict_noise` at whole timesteps."""
    chosen = model if kind == "eps" else v_model
    times = torch.tensor([10.0, 500.0, 900.0])
    alpha = _column(chosen.noise_schedule.alphas_cumprod[times.long()])
    noisy = batch["x"] / 5
    eps = chosen.predict_noise(noisy, times, batch["context"])
    expected = (noisy - (1 - alpha).sqrt() * eps) / alpha.sqrt()
    sigma = chosen.noise_schedule.sigmas[times.long()]
    denoised = chosen.denoise(noisy / alpha.sqrt(), sigma, batch["context"])
    assert torch.allclose(denoised, expected, atol=2e-3, rtol=1e-3)


def test_another_schedule_for_the_noise_of_a_v_model(
    v_model: DiffusionModel, batch: dict[str, Tensor]
) -> None:
    from sdapi_compat.sampling.noise_schedule import NoiseSchedule, zero_terminal_snr

    schedule = NoiseSchedule(zero_terminal_snr(v_model.noise_schedule.alphas_cumprod))
    arguments = batch["x"], batch["timestep"], batch["context"]
    output = v_model.predict(*arguments)
    alpha = _column(schedule.alphas_cumprod[batch["timestep"].long()])
    expected = alpha.sqrt() * output + (1 - alpha).sqrt() * batch["x"]
    assert torch.allclose(v_model.predict_noise(*arguments, schedule=schedule), expected, atol=1e-5)
    assert not torch.allclose(v_model.predict_noise(*arguments), expected, atol=1e-5)


def test_extra_channels_are_appended_unscaled(
    tmp_path: Path, write_ldm: Callable[..., Path], batch: dict[str, Tensor]
) -> None:
    inpaint = _model(write_ldm(tmp_path / "m.safetensors", channels=9))
    assert inpaint.conditioning == "inpaint"
    extra = torch.randn(3, 5, 8, 6)
    sigma = _column(batch["sigma"])
    times = torch.tensor([inpaint.noise_schedule.sigma_to_t(s) for s in batch["sigma"].tolist()])
    joined = torch.cat([batch["x"] / (sigma**2 + 1) ** 0.5, extra], dim=1)
    expected = batch["x"] - sigma * inpaint.predict(joined, times, batch["context"])
    denoised = inpaint.denoise(batch["x"], batch["sigma"], batch["context"], extra)
    assert torch.allclose(denoised, expected, atol=1e-4)
    eps = inpaint.predict_noise(batch["x"], batch["timestep"], batch["context"], extra)
    raw = torch.cat([batch["x"], extra], dim=1)
    assert torch.equal(eps, inpaint.predict(raw, batch["timestep"], batch["context"]))


def test_pictures_there_and_back(model: DiffusionModel) -> None:
    images = model.decode(torch.randn(2, 4, 2, 3))
    assert images.shape == (2, 3, 16, 24)
    assert model.encode(images.clamp(-1, 1), torch.zeros).shape == (2, 4, 2, 3)
    assert model.encode_mode(images.clamp(-1, 1)).shape == (2, 4, 2, 3)


def test_tiling_wraps_around_and_is_undone(model: DiffusionModel) -> None:
    latents = torch.randn(1, 4, 4, 4)
    plain = model.decode(latents)
    model.set_tiling(True)
    wrapped = model.decode(latents)
    rolled = model.decode(latents.roll(2, dims=3))
    model.set_tiling(False)
    assert torch.allclose(rolled, wrapped.roll(16, dims=3), atol=1e-3)
    assert not torch.allclose(wrapped, plain, atol=1e-3)
    assert torch.equal(model.decode(latents), plain)


def test_tiling_survives_a_switch_of_the_vae(
    model: DiffusionModel, tmp_path: Path, vae_tensors: Callable[[int], dict[str, Any]]
) -> None:
    from safetensors.torch import save_file

    save_file(vae_tensors(7), str(tmp_path / "v.safetensors"))
    file = VaeFile("v.safetensors", tmp_path / "v.safetensors")
    latents = torch.randn(1, 4, 4, 4)
    plain = model.decode(latents)
    model.set_tiling(True)
    wrapped = model.decode(latents)
    model.use_codec(file, load_vae(file, model.vae_config, POLICY))
    separate = model.decode(latents)
    assert torch.allclose(model.decode(latents.roll(2, dims=3)), separate.roll(16, dims=3), atol=1e-3)
    model.set_tiling(False)
    model.use_codec(None, None)
    assert torch.equal(model.decode(latents), plain)
    model.set_tiling(True)
    assert torch.equal(model.decode(latents), wrapped)
    model.set_tiling(False)


def test_separate_vae_and_back(
    model: DiffusionModel, tmp_path: Path, vae_tensors: Callable[[int], dict[str, Any]]
) -> None:
    from safetensors.torch import save_file

    latents = torch.randn(1, 4, 2, 2)
    before = model.decode(latents)
    save_file(vae_tensors(7), str(tmp_path / "v.safetensors"))
    file = VaeFile("v.safetensors", tmp_path / "v.safetensors")
    size = model.size_in_bytes
    model.use_codec(file, load_vae(file, model.vae_config, POLICY))
    assert model.vae_name == "v.safetensors"
    assert model.size_in_bytes > size
    assert not torch.allclose(model.decode(latents), before, atol=1e-3)
    model.use_codec(None, None)
    assert model.vae_name is None
    assert torch.equal(model.decode(latents), before)


def test_a_model_leaves_and_comes_back(model: DiffusionModel) -> None:
    latents = torch.randn(1, 4, 2, 2)
    before = model.decode(latents)
    model.leave()
    model.come_back()
    assert torch.equal(model.decode(latents), before)
