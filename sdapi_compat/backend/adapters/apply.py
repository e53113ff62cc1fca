"""The adapters on one loaded model: weights are base + deltas while a prompt wants them, then base again."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sdapi_compat.backend.adapters.change import change
from sdapi_compat.backend.adapters.names import Layer, LayerNames
from sdapi_compat.backend.adapters.shelf import AdapterFile, AdapterShelf, Version, version_of
from sdapi_compat.backend.adapters.tensors import Parts
from sdapi_compat.backend.adapters.wish import AdapterWish
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.errors import Fault

_log = logging.getLogger(__name__)


class _Use(NamedTuple):
    """What one adapter does to one layer."""

    parts: Parts
    multiplier: float
    rank: int | None
    file: str
    name: str
    """The layer's name in the file."""


class _Base(NamedTuple):
    """A weight or bias as the checkpoint has it; None for a layer without bias."""

    module: nn.Module
    slot: str
    values: Tensor | None


class AdapterSet:
    """The adapters of one model. Owned by the device thread.

    The base weights are never written to: a changed layer gets a tensor of its own, and gets the base tensor
    back afterwards. So every change is undone exactly, and undoing costs nothing. Until then the base tensors
    lie on `base_device`; call `apply(())` before the model leaves the device, lest they stay there.
    """

    def __init__(
        self,
        model: DiffusionModel,
        shelf: AdapterShelf | None = None,
        base_device: torch.device | None = None,
    ) -> None:
        """`shelf`: shared by the sets of all models. `base_device` None: where the weights are.

        The CPU as `base_device` saves memory on the device and makes switching slower.
        """
        self._model = model
        self._shelf = AdapterShelf() if shelf is None else shelf
        self._base_device = base_device
        self._names: LayerNames | None = None
        self._bases: list[_Base] = []
        self._applied: tuple[tuple[AdapterWish, Version], ...] = ()
        self._reported: set[Version] = set()

    @property
    def applied(self) -> tuple[AdapterWish, ...]:
        """What the weights contain now."""
        return tuple(wish for wish, _ in self._applied)

    def apply(self, wishes: Sequence[AdapterWish]) -> None:
        """Make the weights base + the changes of `wishes` in their order; () makes them the base again.

        Algorithms that look at the weight see it with the changes before them. Deltas are computed in float32
        on the model's device and added in the weight's dtype. The same wishes and files again: nothing
        happens. A1111 1.10.1 behaviour: a file wished for twice is applied twice, both times as wished last.

        Raises Fault("RuntimeError") naming the file for one that cannot be read or does not fit the model,
        and for a model behind sequential offloading. After any failure the weights are the base.
        """
        wanted = _settled(wishes)
        with self._base_after_failure():
            if wanted and self._applied == tuple((wish, _version(wish)) for wish in wanted):
                return
            self.restore()
            files = self._shelf.obtain(wish.file for wish in wanted)
            for layer, uses in self._uses(wanted, files).items():
                self._change(layer, uses)
            self._applied = tuple((wish, file.version) for wish, file in zip(wanted, files, strict=True))

    def restore(self) -> None:
        """Give every changed layer its base tensors back, on the device where the layer is now."""
        for module, slot, values in self._bases:
            if values is None:
                module.register_parameter(slot, None)
            else:
                parameter = module.get_parameter(slot)
                parameter.data = values.to(parameter.device)
        self._bases.clear()
        self._applied = ()

    @contextmanager
    def _base_after_failure(self) -> Iterator[None]:
        succeeded = False
        try:
            yield
            succeeded = True
        finally:
            if not succeeded:
                self.restore()

    def _uses(self, wanted: Sequence[AdapterWish], files: Sequence[AdapterFile]) -> dict[Layer, list[_Use]]:
        """What happens to each layer, in the order of the wishes."""
        if self._names is None:
            self._names = LayerNames(self._model.unet, self._model.text.module)
        uses: dict[Layer, list[_Use]] = {}
        for wish, file in zip(wanted, files, strict=True):
            missing = list(file.unknown)
            for name, parts in file.layers.items():
                layer = self._names.find(name)
                if layer is None:
                    missing.append(name)
                    continue
                multiplier = wish.text_encoder if layer.in_text_encoder else wish.unet
                use = _Use(parts, multiplier, wish.rank, wish.file.path.name, name)
                uses.setdefault(layer, []).append(use)
            self._report(file, missing)
        return uses

    def _report(self, file: AdapterFile, missing: Sequence[str]) -> None:
        """Say once per file which of its names mean nothing to this model."""
        if missing and file.version not in self._reported:
            self._reported.add(file.version)
            _log.warning(
                "%s: %d names match no layer of %s, such as %s",
                file.version[0].name, len(missing), self._model.info.name, missing[0],
            )  # fmt: skip

    @torch.inference_mode(False)
    @torch.no_grad()
    def _change(self, layer: Layer, uses: Sequence[_Use]) -> None:
        weight = layer.module.get_parameter("weight")
        if weight.is_meta:
            raise Fault(
                "RuntimeError", f"Cannot apply {uses[0].file}: --lowvram keeps the weights out of reach"
            )
        bias = layer.module._parameters.get("bias")
        new_weight, new_bias = weight.data.to(self._model.device), None if bias is None else bias.data
        for use in uses:
            if use.multiplier == 0:
                continue
            with _explained(use):
                added = change(use.parts, new_weight.float(), use.rank)
                new_weight = _sum(new_weight, added.weight.to(weight.dtype), use.multiplier)
                if added.bias is not None:
                    new_bias = _sum(new_bias, added.bias.to(weight.dtype), use.multiplier)
        self._put(layer.module, "weight", new_weight)
        if new_bias is not None:
            self._put(layer.module, "bias", new_bias)

    def _put(self, module: nn.Module, slot: str, values: Tensor) -> None:
        """Give a layer a new weight or bias and keep the base, unless it is the base."""
        parameter = module._parameters.get(slot)
        if parameter is None:
            self._bases.append(_Base(module, slot, None))
            like = module.get_parameter("weight")
            module.register_parameter(slot, nn.Parameter(values.to(like.device), requires_grad=False))
        elif values.data_ptr() != parameter.data_ptr():
            self._bases.append(_Base(module, slot, parameter.data.to(self._base_device or parameter.device)))
            parameter.data = values.to(parameter.device)


def _sum(base: Tensor | None, delta: Tensor, multiplier: float) -> Tensor:
    """base + multiplier delta in the dtype and on the device of `delta`; without a base 0 is one."""
    return delta * multiplier if base is None else torch.add(base.to(delta.device), delta, alpha=multiplier)


def _settled(wishes: Sequence[AdapterWish]) -> tuple[AdapterWish, ...]:
    """The wishes, each as the last one for its file."""
    last = {wish.file.path: wish for wish in wishes}
    return tuple(last[wish.file.path] for wish in wishes)


def _version(wish: AdapterWish) -> Version | None:
    try:
        return version_of(wish.file)
    except OSError:
        return None  # reading the file says what is wrong with it


@contextmanager
def _explained(use: _Use) -> Iterator[None]:
    """Turn what bad shapes make torch raise into a Fault that names the file."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise  # no fault of the file
    except (BadWeightFile, RuntimeError, IndexError, ValueError) as error:
        raise Fault("RuntimeError", f"Cannot apply {use.file}: {use.name}: {error}") from error
