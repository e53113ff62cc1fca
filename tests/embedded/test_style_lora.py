"""The LoRA in kohya's format: it makes night, by its weight, and leaves no trace."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from sdapi_compat.embedded.train.scenes import render, sample_scene
from sdapi_compat.embedded.train.style_lora import RANK, Adapter, at_night

PROMPTS = ("cat", "apple")


def test_night_is_dim_and_bluish(concepts: Any) -> None:
    day = replace(sample_scene(random.Random(1), concepts), rgb=(250, 250, 250))
    noon, night = (np.asarray(paint(day, 64), dtype=int) for paint in (render, at_night))
    assert night.mean() < 0.4 * noon.mean()
    assert night[0, 0].max() < 80
    assert night[0, 0, 2] > night[0, 0, 0] + 20
    assert np.abs(night - night[0, 0]).max() > 60


def test_the_adapter_changes_nothing_before_training_and_when_detached(frozen: Any) -> None:
    torch.manual_seed(1)
    inputs = (
        torch.randn(1, 4, 8, 8),
        torch.tensor([500]),
        torch.randn(1, 77, frozen.encoder.config.hidden_size),
    )
    adapter = Adapter(frozen)
    with torch.no_grad():
        before = frozen.unet(*inputs).sample
        with adapter.attached():
            assert torch.equal(frozen.unet(*inputs).sample, before)
            for parameter in adapter.parameters():
                parameter.add_(0.05)
            assert not torch.allclose(frozen.unet(*inputs).sample, before, atol=1e-3)
        assert torch.equal(frozen.unet(*inputs).sample, before)


def test_every_layer_has_its_three_tensors_and_shapes(companions: Any, frozen: Any) -> None:
    tensors = load_file(companions.lora)
    layers = {path.replace(".", "_"): layer for path, layer in frozen.unet.named_modules()}
    names = {name.split(".")[0] for name in tensors}
    assert len(tensors) == 3 * len(names)
    for name in names:
        weight = layers[name.removeprefix("lora_unet_")].weight
        assert float(tensors[f"{name}.alpha"]) == RANK
        assert tensors[f"{name}.lora_down.weight"].shape == (RANK, *weight.shape[1:])
        assert tensors[f"{name}.lora_up.weight"].shape[:2] == (weight.shape[0], RANK)


def test_metadata_is_kohyas(companions: Any) -> None:
    with safe_open(companions.lora, framework="pt") as content:
        metadata = content.metadata()
    assert metadata["ss_output_name"] == companions.lora.stem
    assert metadata["ss_network_module"] == "networks.lora"
    assert metadata["ss_network_dim"] == str(RANK)
    assert json.loads(metadata["ss_tag_frequency"])


def test_the_server_lists_it(drawing: Any) -> None:
    (entry,) = drawing.server.get("/sdapi/v1/loras").json()
    assert (entry["name"], entry["alias"]) == ("night", "night")
    assert entry["metadata"]["ss_network_dim"] == str(RANK)


def test_it_makes_night_and_leaves_no_trace(drawing: Any) -> None:
    for prompt in PROMPTS:
        day = drawing.draw(prompt)
        half = drawing.draw(f"{prompt} <lora:night:0.5>")
        night = drawing.draw(f"{prompt} <lora:night:1>")
        again = drawing.draw(prompt)
        assert night.mean() < 0.75 * day.mean(), prompt
        assert night.mean() < half.mean() < day.mean(), prompt
        assert np.array_equal(day, again), prompt


def test_of_weight_zero_it_does_nothing(drawing: Any) -> None:
    assert np.array_equal(drawing.draw("cat"), drawing.draw("cat <lora:night:0>"))


def test_its_hash_is_in_the_infotext(drawing: Any) -> None:
    reply = drawing.server.txt2img(prompt="cat <lora:night:1>")
    assert 'Lora hashes: "night: ' in json.loads(reply["info"])["infotexts"][0]
