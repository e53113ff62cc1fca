from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.latent_codec import LatentCodec, NanPolicy
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.single_file import load_single_file
from sdapi_compat.errors import Fault


@pytest.fixture
def codec(ldm_folder: Path) -> LatentCodec:
    policy = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))
    found = load_single_file(ldm_folder / "tiny.safetensors", ldm_folder / "tiny.yaml", policy).codec
    assert found is not None
    return found


def _zeros(shape: tuple[int, ...]) -> Tensor:
    return torch.zeros(shape)


def test_decode_is_one_image_at_a_time_and_scaled(codec: LatentCodec) -> None:
    latents = torch.randn(3, 4, 4, 6)
    images = codec.decode(latents)
    assert images.shape == (3, 3, 32, 48)
    assert images.dtype == torch.float32
    for image, latent in zip(images, latents, strict=True):
        assert torch.equal(codec.decode(latent[None])[0], image)
    expected = codec.module.decode(latents[:1] / 0.25).sample
    assert torch.allclose(images[:1], expected, atol=1e-6)


def test_encode_is_mean_plus_deviation_times_noise(codec: LatentCodec) -> None:
    images = torch.rand(2, 3, 32, 48) * 2 - 1
    asked: list[tuple[int, ...]] = []

    def noise(shape: tuple[int, ...]) -> Tensor:
        asked.append(shape)
        return torch.full(shape, float(len(asked)))

    latents = codec.encode(images, noise)
    assert asked == [(1, 4, 4, 6), (1, 4, 4, 6)]
    for index in range(2):
        posterior = codec.module.encode(images[index : index + 1]).latent_dist
        expected = (posterior.mean + posterior.std * (index + 1)) * 0.25
        assert torch.allclose(latents[index : index + 1], expected, atol=1e-6)


def test_mode_is_the_unscaled_mean(codec: LatentCodec) -> None:
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    assert torch.allclose(codec.encode_mode(images) * 0.25, codec.encode(images, _zeros), atol=1e-6)


def _overflowing(codec: LatentCodec, dtype: torch.dtype) -> LatentCodec:
    """A codec whose decoder overflows in half precision only."""
    codec.module.to(dtype=dtype)
    weight = codec.module.decoder.conv_in.weight
    weight.mul_(60000.0 / weight.abs().max().item())
    return codec


def test_nans_switch_the_vae_to_float32_for_good(codec: LatentCodec) -> None:
    half = _overflowing(codec, torch.float16)
    image = half.decode(torch.ones(1, 4, 2, 2) * 10)
    assert bool(torch.isfinite(image).all())
    assert half.dtype == torch.float32


def test_the_switch_leaves_weights_that_can_be_changed(codec: LatentCodec) -> None:
    half = _overflowing(codec, torch.float16)
    with torch.inference_mode():
        half.decode(torch.ones(1, 4, 2, 2) * 10)
    half.module.post_quant_conv.weight.zero_()


def test_nans_switch_the_vae_to_bfloat16_when_asked(codec: LatentCodec) -> None:
    half = _overflowing(codec, torch.float16)
    image = half.decode(torch.ones(1, 4, 2, 2) * 10, NanPolicy(to_bfloat16=True))
    assert bool(torch.isfinite(image).all())
    assert half.dtype == torch.bfloat16


def test_nans_without_a_way_out(codec: LatentCodec) -> None:
    half = _overflowing(codec, torch.float16)
    with pytest.raises(Fault) as caught:
        half.decode(torch.ones(1, 4, 2, 2) * 10, NanPolicy(to_float32=False))
    assert caught.value.name == "NansException"
    unchecked = half.decode(torch.ones(1, 4, 2, 2) * 10, NanPolicy(check=False))
    assert bool(unchecked.isnan().any())
    with pytest.raises(Fault, match="float32"):
        half.decode(torch.full((1, 4, 2, 2), float("nan")))
