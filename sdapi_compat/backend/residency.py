"""Where the parts of one model are while they wait and while they compute."""

from __future__ import annotations

import torch
from torch import nn

from sdapi_compat.backend.policy import DevicePolicy

_CPU = torch.device("cpu")


class Residency:
    """Keeps a model's parts where the policy wants them.

    Without offloading all parts are on the device. With "model" (--medvram) they wait on the CPU and one at a
    time is fetched; with "sequential" (--lowvram) they stay on the CPU and hooks fetch them layer by layer.
    """

    def __init__(self, policy: DevicePolicy) -> None:
        self._device = policy.device
        self._offload = policy.offload
        self._fetched: nn.Module | None = None

    def admit(self, part: nn.Module) -> None:
        """Take a part in; taking it in again changes nothing."""
        if self._offload == "none":
            _move(part, self._device)
        elif self._offload == "sequential" and not hasattr(part, "_hf_hook"):
            from accelerate import cpu_offload

            cpu_offload(part, execution_device=self._device)

    def fetch(self, part: nn.Module) -> None:
        """Make ready a part that is about to compute."""
        if self._offload == "model" and self._fetched is not part:
            if self._fetched is not None:
                _move(self._fetched, _CPU)
            _move(part, self._device)
            self._fetched = part

    def release(self, part: nn.Module) -> None:
        """Send a part that is not needed for now to the CPU."""
        if self._offload != "sequential":
            _move(part, _CPU)
        if self._fetched is part:
            self._fetched = None


@torch.inference_mode(False)
def _move(part: nn.Module, device: torch.device) -> None:
    """Weights moved in inference mode could not be changed outside it any more."""
    part.to(device)
