"""The device with the checkpoint that comes along: which asks share a forward, and what each gets of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sdapi_compat.engine.asks import Decode
from sdapi_compat.engine.device import ModelDevice
from sdapi_compat.errors import Fault
from sdapi_compat.imaging import pixels
from sdapi_compat.plan.plan import DecodeRules, ModelChoice
from sdapi_compat.services import Services, make_services
from sdapi_compat.settings import parse

RULES = DecodeRules(check=True, to_float32=True, to_bfloat16=False, tiny=False)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return make_services(
        parse(["--data-dir", str(tmp_path_factory.mktemp("device")), "--use-cpu", "all"], {})
    )


@pytest.fixture(scope="module")
def device(services: Services) -> ModelDevice:
    return ModelDevice(services.settings, services.catalog, services.options)


@pytest.fixture(scope="module")
def choice(services: Services) -> ModelChoice:
    return services.catalog.configured(services.options.snapshot())


def latents(count: int, side: int, seed: int) -> Tensor:
    return torch.randn((count, 4, side, side), generator=torch.Generator().manual_seed(seed))


@contextmanager
def forwards(module: nn.Module) -> Iterator[list[int]]:
    """How many pictures each forward of `module` had."""
    seen: list[int] = []
    hook = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[0]))
    yield seen
    hook.remove()


def levels(pictures: Tensor) -> np.ndarray:
    """As they end up in files, signed so that they can be subtracted."""
    return np.stack([np.asarray(image) for image in pixels.to_images(np.asarray(pictures))]).astype(int)


@pytest.mark.parametrize(("side", "expected"), [(8, [4]), (16, [4]), (20, [2, 2]), (32, [1, 1, 1, 1])])
def test_small_pictures_of_several_jobs_are_decoded_together(
    side: int, expected: list[int], device: ModelDevice, choice: ModelChoice
) -> None:
    asks = [Decode(choice, latents(count, side, count), False, RULES) for count in (1, 2, 1)]
    assert len({ask.key for ask in asks}) == 1
    with forwards(device.load(choice).codec.module.decoder) as seen:
        together = device.answer(asks)
    assert seen == expected
    for ask, found in zip(asks, together, strict=True):
        [alone] = device.answer([ask])
        assert found.shape == alone.shape == (ask.latents.shape[0], 3, 8 * side, 8 * side)
        assert np.abs(levels(found) - levels(alone)).max() <= 1


def test_decodes_by_other_rules_are_not_answered_together(choice: ModelChoice) -> None:
    one = Decode(choice, latents(1, 8, 1), False, RULES)
    others = [
        one._replace(rules=msgspec.structs.replace(RULES, check=False)),
        one._replace(rules=msgspec.structs.replace(RULES, tiny=True)),
        one._replace(tiling=True),
        one._replace(latents=latents(1, 16, 1)),
        one._replace(model=msgspec.structs.replace(choice, vae="other")),
    ]
    assert len({ask.key for ask in (one, *others)}) == 1 + len(others)
    assert one._replace(latents=latents(3, 8, 2)).key == one.key


def test_a_spoiled_picture_fails_a_shared_decode_and_not_one_without_it(
    device: ModelDevice, choice: ModelChoice
) -> None:
    good = Decode(choice, latents(1, 8, 1), False, RULES)
    spoiled = good._replace(latents=torch.full((1, 4, 8, 8), float("nan")))
    with pytest.raises(Fault, match="NaN"):
        device.answer([good, spoiled])
    assert len(device.answer([good])) == 1
