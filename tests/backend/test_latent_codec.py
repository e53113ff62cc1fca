from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

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


def test_decode_is_scaled(codec: LatentCodec) -> None:
    latents = _seeded(3, 4, 4, 6)
    images = codec.decode(latents)
    assert images.shape == (3, 3, 32, 48)
    assert images.dtype == torch.float32
    expected = codec.module.decode(latents / 0.25).sample
    assert torch.allclose(images, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("height", "width", "together"), [(8, 8, [5]), (16, 16, [4, 1]), (22, 23, [2, 2, 1]), (23, 23, [1] * 5)]
)
def test_small_pictures_are_decoded_together(
    height: int, width: int, together: list[int], codec: LatentCodec
) -> None:
    """As many as have 32 x 32 cells; each is the picture it is alone, up to rounding."""
    latents = _seeded(5, 4, height, width)
    memory = Scarce(codec.module.decoder, 10**9)
    images = codec.decode(latents)
    assert memory.pictures == together
    alone = torch.cat([codec.decode(latent[None]) for latent in latents])
    assert (images - alone).abs().max() < 1e-4


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


class Scarce:
    """Memory for so many cells of the decoder's or encoder's input; more is torch's own error."""

    def __init__(self, module: nn.Module, cells: int) -> None:
        self.seen: list[tuple[int, int]] = []
        self.pictures: list[int] = []
        self._cells = cells
        module.register_forward_pre_hook(self._look)

    def _look(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        height, width = inputs[0].shape[2:]
        self.seen.append((height, width))
        self.pictures.append(inputs[0].shape[0])
        if height * width > self._cells:
            raise torch.OutOfMemoryError(f"Tried to allocate {height}x{width}")


@pytest.fixture
def small_tiles(codec: LatentCodec) -> LatentCodec:
    """Tiles of 8 x 8 cells, so that small pictures have several."""
    codec.module.tile_latent_min_size, codec.module.tile_sample_min_size = 8, 64
    return codec


def _tiled(codec: LatentCodec, above: int) -> LatentCodec:
    made = LatentCodec(codec.module, codec.scaling_factor, torch.device("cpu"), above)
    made.module.tile_latent_min_size, made.module.tile_sample_min_size = 8, 64
    return made


def _seeded(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_a_tile_is_what_the_model_was_trained_on(codec: LatentCodec) -> None:
    assert (codec.module.tile_latent_min_size, codec.module.tile_sample_min_size) == (64, 512)


def test_a_decode_that_does_not_fit_goes_on_in_tiles(
    small_tiles: LatentCodec, caplog: pytest.LogCaptureFixture
) -> None:
    latents = _seeded(2, 4, 9, 12)
    whole = small_tiles.decode(latents)
    memory = Scarce(small_tiles.module.decoder, 8 * 8)
    images = small_tiles.decode(latents)
    assert images.shape == whole.shape
    assert (images - whole).abs().mean() < 0.5 * whole.std()
    # Both pictures are tried whole, then in 2 x 2 tiles that step by three quarters of a tile.
    assert memory.seen == [(9, 12), (8, 8), (8, 6), (3, 8), (3, 6)]
    assert memory.pictures == [2] * 5
    assert not small_tiles.module.use_tiling
    assert "in tiles" in caplog.text


def test_an_encode_that_does_not_fit_goes_on_in_tiles_with_the_same_noise(small_tiles: LatentCodec) -> None:
    images = _seeded(1, 3, 72, 96).clamp(-1, 1)
    whole = small_tiles.encode(images, torch.ones)
    asked: list[tuple[int, ...]] = []

    def noise(shape: tuple[int, ...]) -> Tensor:
        asked.append(shape)
        return torch.ones(shape)

    memory = Scarce(small_tiles.module.encoder, 64 * 64)
    latents = small_tiles.encode(images, noise)
    assert asked == [(1, 4, 9, 12)]
    assert len(memory.seen) == 1 + 4
    assert (latents - whole).abs().mean() < 0.5 * whole.std()
    assert not small_tiles.module.use_tiling


@pytest.mark.parametrize(("above", "forwards"), [(0, 1), (64, 4), (80, 4), (88, 1), (96, 1)])
def test_large_pictures_are_tiled_at_once(codec: LatentCodec, above: int, forwards: int) -> None:
    """9 x 12 cells are 108; a square of 80 pixels has 100, one of 88 has 121."""
    memory = Scarce(codec.module.decoder, 10**9)
    _tiled(codec, above).decode(torch.zeros(1, 4, 9, 12))
    assert len(memory.seen) == forwards


def test_a_picture_of_one_tile_that_does_not_fit_fails(small_tiles: LatentCodec) -> None:
    Scarce(small_tiles.module.decoder, 10)
    with pytest.raises(torch.OutOfMemoryError):
        small_tiles.decode(torch.zeros(1, 4, 8, 8))


def test_tiles_that_do_not_fit_either_fail_and_leave_nothing_behind(small_tiles: LatentCodec) -> None:
    Scarce(small_tiles.module.decoder, 10)
    with pytest.raises(torch.OutOfMemoryError):
        small_tiles.decode(torch.zeros(1, 4, 9, 9))
    assert not small_tiles.module.use_tiling


def test_another_error_is_no_shortage(small_tiles: LatentCodec) -> None:
    with pytest.raises(RuntimeError, match="channels"):
        small_tiles.decode(torch.zeros(1, 3, 9, 9))


def test_wrapping_pictures_are_never_tiled(codec: LatentCodec) -> None:
    for module in codec.module.modules():
        if type(module) is nn.Conv2d:
            module.padding_mode = "circular"
    memory = Scarce(codec.module.decoder, 200)
    tiled = _tiled(codec, 8)
    tiled.decode(torch.zeros(1, 4, 9, 12))
    assert memory.seen == [(9, 12)]
    with pytest.raises(torch.OutOfMemoryError):
        tiled.decode(torch.zeros(1, 4, 20, 20))


def test_nans_are_looked_for_in_tiled_pictures_too(codec: LatentCodec) -> None:
    half = _tiled(_overflowing(codec, torch.float16), 64)
    assert bool(torch.isfinite(half.decode(torch.ones(1, 4, 9, 9) * 10)).all())
    assert half.dtype == torch.float32
