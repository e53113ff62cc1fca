from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torchsde
from torch import Tensor
from torchsde._brownian import brownian_interval

from sdapi_compat.sampling.noise import (
    ImageNoise,
    NoiseSeeds,
    Source,
    encoder_noise,
    noise_stream,
    paste_centred,
    slerp,
)
from sdapi_compat.sampling.philox import PhiloxGenerator

SHAPE = (4, 6, 8)
CPU = torch.device("cpu")


def seeded(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    """What one generator draws in turn."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("source", ["CPU", "GPU"])
def test_every_image_draws_from_its_own_generator(source: Source) -> None:
    noise = ImageNoise(SHAPE, NoiseSeeds(seeds=(1, 2), source=source))
    drawn = [noise.first(), noise.next(), noise.next()]
    for row, seed in enumerate((1, 2)):
        for got, expected in zip(drawn, seeded(seed, SHAPE, SHAPE, SHAPE), strict=True):
            assert torch.equal(got[row], expected)


def test_nv_noise() -> None:
    noise = ImageNoise(SHAPE, NoiseSeeds(seeds=(1,), source="NV"))
    philox = PhiloxGenerator(1)
    for got in (noise.first(), noise.next()):
        assert got.dtype == torch.float32
        assert torch.equal(got[0], torch.from_numpy(philox.randn(SHAPE)))


@pytest.mark.parametrize("source", ["CPU", "GPU", "NV"])
def test_a_batch_equals_its_images_alone(source: Source) -> None:
    together = ImageNoise(SHAPE, NoiseSeeds(seeds=(3, 4, 5), source=source))
    alone = [ImageNoise(SHAPE, NoiseSeeds(seeds=(seed,), source=source)) for seed in (3, 4, 5)]
    assert torch.equal(together.first(), torch.cat([one.first() for one in alone]))
    assert torch.equal(together.next(), torch.cat([one.next() for one in alone]))
    levels = (10.0, 2.0)
    assert torch.allclose(
        together.brownian(0.1, 14.0)(*levels),
        torch.cat([one.brownian(0.1, 14.0)(*levels) for one in alone]),
        atol=1e-6,
    )


def test_drawing_leaves_torchs_global_generator_alone() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    noise = ImageNoise(SHAPE, NoiseSeeds(seeds=(1,), subseeds=(2,), subseed_strength=0.5))
    noise.first()
    noise.next()
    noise.brownian(0.1, 10.0, per_image=False)(5.0, 1.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_subseeds_are_mixed_in() -> None:
    seeds = NoiseSeeds(seeds=(1, 1), subseeds=(7,), subseed_strength=0.3, source="CPU")
    noise = ImageNoise(SHAPE, seeds)
    first = noise.first()
    own, after = seeded(1, SHAPE, SHAPE)
    assert torch.equal(first[0], slerp(0.3, own, seeded(7, SHAPE)[0]))
    assert torch.equal(first[1], slerp(0.3, own, seeded(0, SHAPE)[0])), "a missing subseed is 0"
    assert torch.equal(noise.next()[0], after), "the variation does not touch the image's own stream"


def test_ensd_reseeds_after_the_first_noise() -> None:
    noise = ImageNoise(SHAPE, NoiseSeeds(seeds=(1,), source="CPU", ensd=31337))
    assert torch.equal(noise.first()[0], seeded(1, SHAPE)[0])
    assert torch.equal(noise.next()[0], seeded(1 + 31337, SHAPE)[0])


def test_seed_resize_pastes_the_smaller_noise_into_the_middle() -> None:
    seeds = NoiseSeeds(seeds=(1,), source="CPU", resize_from=(32, 24))
    noise = ImageNoise(SHAPE, seeds)
    first = noise.first()[0]
    small = seeded(1, (4, 3, 4))[0]
    large, after = seeded(1, SHAPE, SHAPE)
    assert torch.equal(first[:, 1:4, 2:6], small)
    assert torch.equal(first[:, :, :2], large[:, :, :2])
    assert torch.equal(noise.next()[0], after)


def test_seed_resize_with_a_subseed_mixes_before_pasting() -> None:
    seeds = NoiseSeeds(seeds=(1,), subseeds=(7,), subseed_strength=0.3, source="CPU", resize_from=(32, 24))
    small = slerp(0.3, seeded(1, (4, 3, 4))[0], seeded(7, (4, 3, 4))[0])
    assert torch.equal(ImageNoise(SHAPE, seeds).first()[0, :, 1:4, 2:6], small)


@pytest.mark.parametrize("size", [None, (0, 64), (64, -1), (64, 48)])
def test_sizes_that_resize_nothing(size: tuple[int, int] | None) -> None:
    noise = ImageNoise(SHAPE, NoiseSeeds(seeds=(1,), source="CPU", resize_from=size))
    assert torch.equal(noise.first()[0], seeded(1, SHAPE)[0])


@pytest.mark.parametrize(
    ("target", "source", "to", "cut"),
    [
        (8, 4, slice(2, 6), slice(0, 4)),
        (8, 5, slice(1, 6), slice(0, 5)),
        (4, 8, slice(0, 4), slice(2, 6)),
        (4, 7, slice(0, 3), slice(2, 5)),
        (5, 5, slice(0, 5), slice(0, 5)),
    ],
)
def test_paste_centred(target: int, source: int, to: slice, cut: slice) -> None:
    canvas, noise = (
        torch.zeros(1, target, 3),
        torch.arange(1.0, source + 1).reshape(1, source, 1).repeat(1, 1, 3),
    )
    expected = torch.zeros(1, target, 3)
    expected[:, to] = noise[:, cut]
    assert torch.equal(paste_centred(canvas, noise), expected)
    assert canvas.abs().max() == 0, "the canvas is left alone"


def test_slerp_goes_along_the_height() -> None:
    low, high = seeded(1, SHAPE)[0].double(), seeded(2, SHAPE)[0].double()
    mixed = slerp(0.25, low, high)
    for channel in range(SHAPE[0]):
        for column in range(SHAPE[2]):
            a, b = low[channel, :, column], high[channel, :, column]
            omega = math.acos(float(a @ b / a.norm() / b.norm()))
            expected = (math.sin(0.75 * omega) * a + math.sin(0.25 * omega) * b) / math.sin(omega)
            assert torch.allclose(mixed[channel, :, column], expected)


def test_slerp_of_parallel_noise_swaps_its_weights() -> None:
    low = seeded(1, SHAPE)[0]
    assert torch.allclose(slerp(0.25, low, 2 * low), 0.25 * low + 0.75 * 2 * low)


def test_slerp_of_one_row_is_finite() -> None:
    low, high = seeded(1, (4, 1, 8))[0], seeded(2, (4, 1, 8))[0]
    assert torch.allclose(slerp(0.25, low, high), 0.75 * low + 0.25 * high)


@pytest.mark.parametrize(
    ("changes", "before"),
    [
        ({}, []),
        ({"subseeds": (7, 8), "subseed_strength": 0.5}, []),
        ({"resize_from": (8 * SHAPE[2], 8 * SHAPE[1])}, []),
        ({"resize_from": (24, 16)}, [(4, 2, 3)]),
        ({"resize_from": (24, 16), "source": "CPU"}, [(4, 2, 3)]),
        ({"resize_from": (24, 16), "source": "NV"}, []),
    ],
)
def test_encoder_noise_goes_on_where_the_last_image_left_off(
    changes: dict[str, Any], before: list[tuple[int, ...]]
) -> None:
    generator = encoder_noise(NoiseSeeds(**{"seeds": (1, 1234), **changes}), SHAPE)
    assert torch.equal(torch.randn(SHAPE, generator=generator), seeded(1234, *before, SHAPE)[-1])


@pytest.mark.parametrize("source", ["CPU", "NV"])
def test_brownian_noise_is_torchsdes_with_the_sources_normals(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        brownian_interval,
        "_randn",
        lambda size, dtype, device, seed: noise_stream(int(seed), source, CPU)(size),
    )
    reference = torchsde.BrownianTree(0.1, torch.zeros(SHAPE), 14.0, entropy=9)
    expected = -reference(2.0, 5.0) / math.sqrt(3.0)
    between = ImageNoise(SHAPE, NoiseSeeds(seeds=(9,), source=source)).brownian(0.1, 14.0)
    assert torch.allclose(between(5.0, 2.0)[0], expected, atol=1e-5)


def test_one_motion_for_the_whole_batch() -> None:
    between = ImageNoise(SHAPE, NoiseSeeds(seeds=(9, 10), source="CPU")).brownian(0.1, 14.0, per_image=False)
    entropy = int(torch.randint(0, 2**63 - 1, (), generator=torch.Generator().manual_seed(10)))
    reference = torchsde.BrownianTree(0.1, torch.zeros(2, *SHAPE), 14.0, entropy=entropy)
    got = between(5.0, 2.0)
    assert got.shape == (2, *SHAPE)
    assert torch.allclose(got, -reference(2.0, 5.0) / math.sqrt(3.0), atol=1e-5)


def test_a_negative_seed_has_brownian_noise_too() -> None:
    between = ImageNoise(SHAPE, NoiseSeeds(seeds=(-2,))).brownian(0.1, 14.0)
    assert between(5.0, 2.0).isfinite().all()
