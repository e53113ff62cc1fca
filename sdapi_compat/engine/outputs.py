"""One guided model call: rows for every prompt part and the unconditional side, asked and put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from sdapi_compat.engine.asks import Predict
from sdapi_compat.engine.conditioning import matched, stacked
from sdapi_compat.sampling import guidance

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.conditioning import Conditioning
    from sdapi_compat.plan.plan import ModelChoice, TextRules


class Level(NamedTuple):
    """What a sampler asks about: latents (B, C, h, w) at one noise level, in both measures.

    `noise`: the model is to give the noise (timestep samplers), not the denoised latents.
    """

    x: Tensor
    sigma: float
    timestep: float
    noise: bool


class Outputs(Protocol):
    """The model's answers of one call, not yet combined. All tensors are (B, C, h, w)."""

    @property
    def first(self) -> Tensor:
        """The output for the first part of each image's prompt."""
        ...

    @property
    def uncond(self) -> Tensor:
        """The unconditional output, or what stands in for it."""
        ...

    def combine(self, scale: float) -> Tensor:
        """Guidance of the given strength."""
        ...


class Parts(NamedTuple):
    """Outputs of every prompt part, the image each belongs to, and its weight. `uncond` None: left out."""

    outputs: Tensor
    owners: list[int]
    weights: list[float]
    without: Tensor | None

    @property
    def first(self) -> Tensor:
        starts = [self.owners.index(owner) for owner in sorted(set(self.owners))]
        return _rows(self.outputs, starts)

    @property
    def uncond(self) -> Tensor:
        return self.first if self.without is None else self.without

    def combine(self, scale: float) -> Tensor:
        # Without the unconditional side the first part takes its place and guidance its plain strength.
        return guidance.combine(
            self.outputs, self.uncond, self.owners, self.weights, 1.0 if self.without is None else scale
        )


class EditOutputs(NamedTuple):
    """InstructPix2Pix: with prompt and picture, with the picture, with neither."""

    both: Tensor
    picture: Tensor
    neither: Tensor
    image_scale: float

    @property
    def first(self) -> Tensor:
        return self.both

    @property
    def uncond(self) -> Tensor:
        return self.neither

    def combine(self, scale: float) -> Tensor:
        return guidance.combine_edit(self.both, self.picture, self.neither, scale, self.image_scale)


class ForwardRules(NamedTuple):
    """What changes the UNet itself for a pass; see `Predict`."""

    tiling: bool
    token_merging: float


class Caller:
    """Asks the model for one batch. `notes` gets infotext pairs about padding.

    `extra`: the model's extra channels, (B, c, h, w).
    """

    def __init__(
        self,
        model: ModelChoice,
        conditioning: Conditioning,
        text: TextRules,
        extra: Tensor | None,
        forward: ForwardRules,
    ) -> None:
        self._model = model
        self._conditioning = conditioning
        self._text = text
        self._extra = extra
        self._forward = forward
        self.notes: dict[str, bool] = {}

    def parts(self, level: Level, call: int, *, uncond: bool) -> Generator[Ask, Tensor, Parts]:
        """Every part of every prompt, and the unconditional side unless it is left out.

        A1111 1.10.1 behaviour: one forward where both sides have the same length, else one for each; prompts
        are padded to the unconditional side also where that is left out.
        """
        rows = [
            (owner, part.weight, part.text.at(call))
            for owner, parts in enumerate(self._conditioning.positive)
            for part in parts
        ]
        owners, weights = [owner for owner, _, _ in rows], [weight for _, weight, _ in rows]
        cond = stacked([encoding for _, _, encoding in rows])
        cond, negative = self._matched(cond, call)
        if not uncond:
            outputs = yield self._ask(level, owners, cond, self._extra)
            return Parts(outputs, owners, weights, None)
        everybody = list(range(level.x.shape[0]))
        if cond.shape[1] == negative.shape[1]:
            context = torch.cat([cond, negative])
            outputs = yield self._ask(level, owners + everybody, context, self._extra)
            return Parts(outputs[: len(owners)], owners, weights, outputs[len(owners) :])
        outputs = yield self._ask(level, owners, cond, self._extra)
        without = yield self._ask(level, everybody, negative, self._extra)
        return Parts(outputs, owners, weights, without)

    def edit(self, level: Level, call: int, image_scale: float) -> Generator[Ask, Tensor, EditOutputs]:
        """The three rows of InstructPix2Pix per image; AND has no meaning there."""
        cond = stacked([parts[0].text.at(call) for parts in self._conditioning.positive])
        cond, negative = self._matched(cond, call)
        everybody = list(range(level.x.shape[0]))
        assert self._extra is not None
        extra = torch.cat([self._extra, torch.zeros_like(self._extra)])
        context = torch.cat([negative, negative])
        if cond.shape[1] == negative.shape[1]:
            context, extra = torch.cat([cond, context]), torch.cat([self._extra, extra])
            outputs = yield self._ask(level, everybody * 3, context, extra, gathered=True)
        else:
            told = yield self._ask(level, everybody, cond, self._extra)
            untold = yield self._ask(level, everybody * 2, context, extra, gathered=True)
            outputs = torch.cat([told, untold])
        both, picture, neither = outputs.chunk(3)
        return EditOutputs(both, picture, neither, image_scale)

    def _matched(self, cond: Tensor, call: int) -> tuple[Tensor, Tensor]:
        negative = stacked([text.at(call) for text in self._conditioning.negative])
        cond, negative, label = matched(cond, negative, self._text, self._conditioning.empty)
        if label is not None:
            self.notes[label] = True
        return cond, negative

    def _ask(
        self,
        level: Level,
        owners: list[int],
        context: Tensor,
        extra: Tensor | None,
        *,
        gathered: bool = False,
    ) -> Predict:
        """Rows of the images `owners`; `gathered`: `extra` has these rows already."""
        x = _rows(level.x, owners)
        if extra is not None and not gathered:
            extra = _rows(extra, owners)
        return Predict(
            model=self._model,
            x=x,
            sigma=x.new_full((len(owners),), level.sigma),
            timestep=x.new_full((len(owners),), level.timestep),
            context=context,
            extra=extra,
            noise=level.noise,
            tiling=self._forward.tiling,
            token_merging=self._forward.token_merging,
        )


def _rows(tensor: Tensor, numbers: list[int]) -> Tensor:
    """Rows by slices: on a GPU an index made of a Python list is copied there, and waited for."""
    if numbers == list(range(tensor.shape[0])):
        return tensor
    return torch.cat([tensor[number : number + 1] for number in numbers])
