"""Text conditioning: chunks of weighted tokens to the vectors the UNet attends to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPTextModel

from sdapi_compat.backend.tokenizer import ClipVocabulary
from sdapi_compat.errors import Fault

_UNWEIGHTED = frozenset({"Ignore", "None"})
_NO_NORM = "No norm"


class EncoderChunk(Protocol):
    """What the encoder reads of a `prompt.chunks.Chunk`."""

    @property
    def tokens(self) -> Sequence[int]:
        """77 token ids."""
        ...

    @property
    def weights(self) -> Sequence[float]:
        """77 weights."""
        ...

    @property
    def embeddings(self) -> Sequence[tuple[int, str]]:
        """(offset, name): the named vectors replace the token vectors from position offset + 1 on."""
        ...


class TextEncoder:
    """A CLIP text model with its vocabulary."""

    def __init__(
        self,
        module: CLIPTextModel,
        vocabulary: ClipVocabulary,
        device: torch.device,
        *,
        clip_skip_applies: bool = True,
    ) -> None:
        """`device`: where the module computes, wherever its weights wait.

        `clip_skip_applies`: False for SD 2.x, whose encoder is already cut to its penultimate layer.
        """
        self.module = module
        self._device = device
        self.vocabulary = vocabulary
        self._clip_skip_applies = clip_skip_applies

    @property
    def width(self) -> int:
        """Length of one vector."""
        return int(self.module.config.hidden_size)

    def encode(
        self,
        batch: Sequence[Sequence[EncoderChunk]],
        clip_skip: int,
        emphasis: str,
        vectors: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """n prompts of k chunks each to float32 (n, 77 k, d) on the encoder's device.

        A1111 1.10.1 behaviour: the chunks of one position go through the encoder together, and "Original"
        emphasis restores the mean over that whole tensor, so prompts of one call influence each other.
        Raises ValueError for prompts of different lengths, Fault("IndexError") for a clip skip too deep.
        """
        if len({len(chunks) for chunks in batch}) != 1:
            raise ValueError("Expected prompts with one number of chunks")
        encoded = []
        for column in zip(*batch, strict=True):
            states = self._encode_column(column, clip_skip, vectors or {})
            encoded.append(_emphasise(states, [chunk.weights for chunk in column], emphasis))
        return torch.cat(encoded, dim=1)

    def _encode_column(
        self, column: Sequence[EncoderChunk], clip_skip: int, vectors: Mapping[str, Tensor]
    ) -> Tensor:
        tokens = torch.tensor([list(chunk.tokens) for chunk in column], device=self._device)
        with _injected(self.module.get_input_embeddings(), column, vectors):
            return self._hidden_states(tokens, clip_skip if self._clip_skip_applies else 1)

    def _hidden_states(self, tokens: Tensor, clip_skip: int) -> Tensor:
        """(n, 77, d) float32: the last layer, or the clip_skip-th from the end, with the final layer norm."""
        if clip_skip <= 1:
            last: Tensor = self.module(input_ids=tokens).last_hidden_state
            return last.float()
        states: Sequence[Tensor] = self.module(input_ids=tokens, output_hidden_states=True).hidden_states
        if clip_skip > len(states):
            raise Fault("IndexError", f"Expected clip skip of at most {len(states)}, got {clip_skip}")
        normed: Tensor = self.module.final_layer_norm(states[-clip_skip])
        return normed.float()


def _emphasise(states: Tensor, weights: Sequence[Sequence[float]], emphasis: str) -> Tensor:
    """Weights per token on (n, 77, d); unknown emphasis names count as "Original"."""
    if emphasis in _UNWEIGHTED:
        return states
    factors = torch.tensor([list(row) for row in weights], dtype=states.dtype, device=states.device)
    weighted: Tensor = states * factors.unsqueeze(-1)
    return weighted if emphasis == _NO_NORM else weighted * (states.mean() / weighted.mean())


@contextmanager
def _injected(
    lookup: nn.Module, column: Sequence[EncoderChunk], vectors: Mapping[str, Tensor]
) -> Iterator[None]:
    """While open, the token lookup of `column` gives embedding vectors where the chunks name them."""
    if not any(chunk.embeddings for chunk in column):
        yield
        return

    def replace(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
        changed = output.clone()
        for row, chunk in zip(changed, column, strict=True):
            for offset, name in chunk.embeddings:
                found = vectors[name].to(row)
                room = row.shape[0] - offset - 1
                row[offset + 1 : offset + 1 + found.shape[0]] = found[:room]
        return changed

    handle = lookup.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
