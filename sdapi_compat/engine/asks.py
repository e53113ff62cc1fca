"""What a job's body asks of the engine: `answer = yield ask`.

Every ask names its model; the engine loads it when it is not the current one. Asks with an equal `key` can be
answered by one forward pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from torch import Generator, Tensor

    from sdapi_compat.plan.plan import DecodeRules, ModelChoice
    from sdapi_compat.prompt.chunks import Chunk


class Describe(NamedTuple):
    """Load the model and give its `DiffusionModel` facts (noise schedule, vocabulary, names, hashes)."""

    model: ModelChoice

    @property
    def key(self) -> Hashable:
        return ("describe", self.model)


class EncodeText(NamedTuple):
    """Chunked prompts, all of the same number of chunks k. Answer: float32 (n, 77 k, d)."""

    model: ModelChoice
    prompts: Sequence[Sequence[Chunk]]
    clip_skip: int
    emphasis: str

    @property
    def key(self) -> Hashable:
        return ("text", self.model, self.clip_skip, self.emphasis)


class Predict(NamedTuple):
    """One UNet forward over rows that may belong to several jobs, each row with its own noise level.

    `x`: float32 (R, C, h, w). `sigma`, `timestep`: float32 (R,), the same level in both measures.
    `context`: (R, L, d). `extra`: channels to concatenate, (R, c, h, w), or None.
    Answer: float32 (R, C, h, w): the denoised latents of x = x0 + sigma * noise; or, with `noise`, the noise
    in x = sqrt(abar) * x0 + sqrt(1 - abar) * noise. `tiling`: convolutions wrap around the edges.
    `token_merging`: share of tokens to merge.
    """

    model: ModelChoice
    x: Tensor
    sigma: Tensor
    timestep: Tensor
    context: Tensor
    extra: Tensor | None
    noise: bool
    tiling: bool = False
    token_merging: float = 0.0

    @property
    def key(self) -> Hashable:
        return (
            "predict",
            self.model,
            tuple(self.x.shape[1:]),
            self.x.dtype,
            self.context.shape[1],
            self.noise,
            self.tiling,
            self.token_merging,
            None if self.extra is None else self.extra.shape[1],
        )


class Decode(NamedTuple):
    """Latents (N, C, h, w) to pictures. Answer: float32 (N, 3, 8 h, 8 w), about [-1, 1]."""

    model: ModelChoice
    latents: Tensor
    tiling: bool
    rules: DecodeRules

    @property
    def key(self) -> Hashable:
        return (
            "decode",
            self.model,
            self.tiling,
            tuple(self.latents.shape[1:]),
            self.latents.dtype,
            self.rules,
        )


class EncodeImage(NamedTuple):
    """Pictures float32 (N, 3, H, W) in [-1, 1] to scaled latents (N, C, H/8, W/8).

    `noise` draws for the posterior's sample; None takes the posterior's mode, unscaled (instruct-pix2pix).
    `tiny`: TAESD encodes, which draws nothing.
    """

    model: ModelChoice
    images: Tensor
    noise: Generator | None
    tiling: bool = False
    tiny: bool = False

    @property
    def key(self) -> Hashable:
        return ("encode", self.model, self.tiling, tuple(self.images.shape[1:]))


Ask = Describe | EncodeText | Predict | Decode | EncodeImage


def rows(ask: Ask) -> int:
    """How many rows `ask` brings into a forward."""
    match ask:
        case Predict():
            return int(ask.x.shape[0])
        case Decode():
            return int(ask.latents.shape[0])
    return 1


def parts(ask: Ask, limit: int) -> list[Ask]:
    """Asks of at most `limit` rows that together ask for the same; just `ask` where rows belong together."""
    starts = range(0, rows(ask), limit)
    match ask:
        case Predict():
            return [_some_rows(ask, slice(start, start + limit)) for start in starts]
        case Decode():
            return [ask._replace(latents=ask.latents[start : start + limit]) for start in starts]
    return [ask]


def _some_rows(ask: Predict, some: slice) -> Predict:
    return ask._replace(
        x=ask.x[some],
        sigma=ask.sigma[some],
        timestep=ask.timestep[some],
        context=ask.context[some],
        extra=None if ask.extra is None else ask.extra[some],
    )


def joined(answers: Sequence[Tensor]) -> Any:
    """The answer to an ask from those to its `parts`."""
    import torch

    return torch.cat(list(answers))
