from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.single_file import load_single_file
from sdapi_compat.backend.text import TextEncoder
from sdapi_compat.errors import Fault


class _Chunk(NamedTuple):
    tokens: list[int]
    weights: list[float]
    embeddings: list[tuple[int, str]]


def _chunk(*ids: int, weight: float = 1.0, embeddings: list[tuple[int, str]] | None = None) -> _Chunk:
    padding = 76 - len(ids)
    return _Chunk(
        [49406, *ids, *[49407] * padding],
        [1.0, *[weight] * len(ids), *[1.0] * padding],
        embeddings or [],
    )


@pytest.fixture(scope="module")
def encoder(ldm_folder: Path) -> TextEncoder:
    policy = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))
    return load_single_file(ldm_folder / "tiny.safetensors", ldm_folder / "tiny.yaml", policy).text


def _reference(encoder: TextEncoder, chunk: _Chunk) -> tuple[Tensor, ...]:
    """Every layer's states by the model's own modules, without the final norm."""
    module = encoder.module
    states: Tensor = module.embeddings(input_ids=torch.tensor([chunk.tokens]))
    result = [states]
    mask = torch.full((77, 77), float("-inf")).triu(1)[None, None]
    for layer in module.encoder.layers:
        output = layer(states, attention_mask=mask)
        states = output[0] if isinstance(output, tuple) else output
        result.append(states)
    return tuple(result)


def test_shape_and_chunks_side_by_side(encoder: TextEncoder) -> None:
    assert encoder.width == 8
    first, second = _chunk(320, 1125), _chunk(2368)
    both = encoder.encode([[first, second]], 1, "Original")
    assert both.shape == (1, 154, 8)
    assert both.dtype == torch.float32
    assert torch.allclose(both[:, :77], encoder.encode([[first]], 1, "Original"), atol=1e-6)
    assert torch.allclose(both[:, 77:], encoder.encode([[second]], 1, "Original"), atol=1e-6)


@pytest.mark.parametrize("clip_skip", [1, 2, 3, 4])
def test_clip_skip_counts_layers_from_the_end(encoder: TextEncoder, clip_skip: int) -> None:
    chunk = _chunk(320, 1125, 2368)
    layers = _reference(encoder, chunk)
    expected = encoder.module.final_layer_norm(layers[-clip_skip])
    assert torch.allclose(encoder.encode([[chunk]], clip_skip, "Original"), expected, atol=1e-5)


def test_clip_skip_beyond_the_layers(encoder: TextEncoder) -> None:
    with pytest.raises(Fault) as caught:
        encoder.encode([[_chunk(320)]], 5, "Original")
    assert caught.value.name == "IndexError"


def test_clip_skip_without_effect(encoder: TextEncoder) -> None:
    fixed = TextEncoder(encoder.module, encoder.vocabulary, torch.device("cpu"), clip_skip_applies=False)
    chunk = _chunk(320)
    assert torch.equal(fixed.encode([[chunk]], 3, "None"), encoder.encode([[chunk]], 1, "None"))


def test_emphasis(encoder: TextEncoder) -> None:
    plain = encoder.encode([[_chunk(320, 1125)]], 1, "Original")
    chunk = _chunk(320, 1125, weight=1.5)
    weights = torch.tensor(chunk.weights)[None, :, None]
    assert torch.equal(encoder.encode([[chunk]], 1, "Ignore"), plain)
    assert torch.equal(encoder.encode([[chunk]], 1, "None"), plain)
    assert torch.allclose(encoder.encode([[chunk]], 1, "No norm"), plain * weights)
    for name in ("Original", "unheard of"):
        weighted = encoder.encode([[chunk]], 1, name)
        assert torch.allclose(weighted, plain * weights * (plain.mean() / (plain * weights).mean()))
        assert weighted.mean().item() == pytest.approx(plain.mean().item(), rel=1e-4)


def test_original_emphasis_takes_the_mean_over_the_whole_call(encoder: TextEncoder) -> None:
    weighted, other = _chunk(320, weight=2.0), _chunk(2368, 320, 1125)
    alone = encoder.encode([[weighted]], 1, "Original")
    together = encoder.encode([[weighted], [other]], 1, "Original")
    raw = encoder.encode([[weighted], [other]], 1, "Ignore")
    factors = torch.tensor([weighted.weights, other.weights])[..., None]
    expected = raw * factors * (raw.mean() / (raw * factors).mean())
    assert torch.allclose(together, expected, atol=1e-6)
    assert not torch.allclose(together[:1], alone, atol=1e-6)


def test_embeddings_replace_token_vectors(encoder: TextEncoder) -> None:
    table = encoder.module.get_input_embeddings().weight
    known = torch.stack([table[1125], table[2368]]).clone()
    named = _chunk(320, 0, 0, embeddings=[(1, "emb")])
    expected = encoder.encode([[_chunk(320, 1125, 2368)]], 1, "Original")
    assert torch.allclose(encoder.encode([[named]], 1, "Original", {"emb": known}), expected, atol=1e-6)
    plain = encoder.encode([[_chunk(320, 0, 0)]], 1, "Original")
    assert torch.equal(encoder.encode([[_chunk(320, 0, 0)]], 1, "Original", {"emb": known}), plain)


def test_embeddings_stop_at_the_end_of_the_chunk(encoder: TextEncoder) -> None:
    chunk = _chunk(*[320] * 75, embeddings=[(74, "long")])
    vectors = {"long": torch.ones(4, 8)}
    assert encoder.encode([[chunk]], 1, "Original", vectors).shape == (1, 77, 8)


def test_prompts_of_different_lengths_are_refused(encoder: TextEncoder) -> None:
    with pytest.raises(ValueError, match="one number of chunks"):
        encoder.encode([[_chunk(320)], [_chunk(320), _chunk(320)]], 1, "Original")
    with pytest.raises(ValueError, match="one number of chunks"):
        encoder.encode([], 1, "Original")
