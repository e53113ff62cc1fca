"""The optimizer of the text encoder and the U-Net: Muon for hidden weights, AdamW for all others.

Muon makes every update of a matrix orthogonal (Jordan et al., "Muon: An optimizer for hidden layers in
neural networks", 2024); a convolution counts as the matrix from its inputs' patches to its outputs. Learning
rates are scaled to AdamW's size of update (Liu et al., "Muon is Scalable for LLM Training", 2025).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
#: AdamW's rate, as a share of Muon's.
OTHERS = 0.7
#: Steps in which the rate rises.
WARM_STEPS = 60


def as_matrix(weight: Tensor) -> Tensor:
    """A weight (out, in) or (out, in, h, w) as a matrix (out, in * h * w), in the order of its memory."""
    return weight.permute(0, 2, 3, 1).flatten(1) if weight.ndim == 4 else weight


class HiddenOptimizer:
    """Muon for the weights of ``module`` that ``hidden`` names, AdamW for the rest.

    Convolutions must be in ``torch.channels_last``, so that matrices share their memory; ValueError if not.
    """

    def __init__(self, module: nn.Module, hidden: Callable[[str, nn.Parameter], bool]) -> None:
        named = list(module.named_parameters())
        self._parameters = [weight for _, weight in named]
        self._hidden = [weight for name, weight in named if hidden(name, weight)]
        self._matrices = [nn.Parameter(as_matrix(weight.detach())) for weight in self._hidden]
        for weight, matrix in zip(self._hidden, self._matrices, strict=True):
            if weight.data_ptr() != matrix.data_ptr():
                raise ValueError(f"a weight of shape {tuple(weight.shape)} is not in channels_last")
        others = [weight for name, weight in named if not hidden(name, weight)]
        self._muon: Any = torch.optim.Muon(
            self._matrices, lr=0.0, weight_decay=0.0, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw"
        )
        self._adam: Any = torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0, fused=True)

    def step(self, loss: Tensor, rate: float) -> None:
        """One step down ``loss`` at learning rate ``rate``."""
        for weight in self._parameters:
            weight.grad = None
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for weight, matrix in zip(self._hidden, self._matrices, strict=True):
            matrix.grad = None if weight.grad is None else as_matrix(weight.grad)
        for optimizer, share in ((self._muon, 1.0), (self._adam, OTHERS)):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """The state of both, to go on from."""
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])


def falling(first: float, last: float, share: float, step: int) -> float:
    """The rate after ``share`` (0..1) of a run: straight from ``first`` to ``last``; it rises at step 0."""
    return (first + (last - first) * share) * min(1.0, (step + 1) / WARM_STEPS)
