"""Random tensors, a tiny model of the real structure, and adapter files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def random() -> Callable[..., Any]:
    """`random(*shape)`: float32 normal numbers, the same in every run of a test."""
    import torch

    generator = torch.Generator().manual_seed(20)
    return lambda *shape: torch.randn(shape, generator=generator)


@pytest.fixture(scope="session")
def unet() -> Any:
    """A UNet with the blocks of SD 1.x, all of them narrow."""
    import torch
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    from sdapi_compat.backend.unet import fit_upsamplers

    torch.manual_seed(3)
    widths = (32, 32, 64, 64)
    unet = UNet2DConditionModel(block_out_channels=widths, cross_attention_dim=8, attention_head_dim=2)
    fit_upsamplers(unet)
    return unet.requires_grad_(False).eval()


@pytest.fixture(scope="session")
def text() -> Any:
    """A CLIP text model of two layers."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(4)
    config = CLIPTextConfig(
        vocab_size=99, hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2
    )
    model: Any = CLIPTextModel(config)
    return model.requires_grad_(False).eval()


@pytest.fixture(scope="session")
def tiny_model(ldm_folder: Path) -> Any:
    """The checkpoint of `ldm_folder`, loaded. Leave its weights as they are."""
    from sdapi_compat.backend.loading import load_checkpoint
    from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
    from sdapi_compat.backend.registry import CheckpointPlaces, CheckpointRegistry

    info = CheckpointRegistry.scan(CheckpointPlaces(models=ldm_folder), None).find("tiny.safetensors")
    assert info is not None
    return load_checkpoint(info, None, DevicePolicy.choose(DeviceFlags(use_cpu=("all",))))


@pytest.fixture
def write_adapter(tmp_path: Path) -> Callable[..., Any]:
    """`write(name, tensors)`: a safetensors file, or for another suffix a pickle, as a LoraFile."""
    import torch
    from safetensors.torch import save_file

    from sdapi_compat.backend.registry_networks import LoraFile

    def write(name: str, tensors: dict[str, Any]) -> LoraFile:
        path = tmp_path / name
        if path.suffix == ".safetensors":
            save_file({key: value.contiguous() for key, value in tensors.items()}, str(path))
        else:
            torch.save(tensors, path)
        return LoraFile(path.stem, path.stem, path, {"a dictionary": {"has": "no hash"}})

    return write


@pytest.fixture
def model(tiny_model: Any) -> Iterator[Any]:
    """The tiny model; a test that leaves a trace in it fails."""
    from tests.backend.adapters.applying import same, weights_of

    before = weights_of(tiny_model)
    yield tiny_model
    assert same(weights_of(tiny_model), before)


@pytest.fixture
def adapters(model: Any) -> Iterator[Any]:
    """What is applied to it, taken back at the end."""
    from sdapi_compat.backend.adapters.apply import AdapterSet

    made = AdapterSet(model)
    yield made
    made.apply(())


@pytest.fixture
def lora(random: Callable[..., Any], write_adapter: Callable[..., Any]) -> Any:
    """A LoRA for a query projection of the UNet (64, 64) and for fc1 of the text encoder (16, 8)."""
    import torch

    from tests.backend.adapters.applying import KOHYA_FC1, KOHYA_QUERY

    tensors = {
        f"{KOHYA_QUERY}.lora_up.weight": random(64, 4),
        f"{KOHYA_QUERY}.lora_down.weight": random(4, 64),
        f"{KOHYA_QUERY}.alpha": torch.tensor(2.0),
        f"{KOHYA_FC1}.lora_up.weight": random(16, 2),
        f"{KOHYA_FC1}.lora_down.weight": random(2, 8),
    }
    return write_adapter("lora.safetensors", tensors)
