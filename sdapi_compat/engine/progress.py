"""What a job tells the outside about itself while it runs.

One thread writes (the engine's), any thread reads. Every field is replaced whole, so that a reader sees
either the old or the new value.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sdapi_compat.imaging import pixels, previews

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

WATCHED_SECONDS = 30.0


class Preview(NamedTuple):
    """Latents (B, C, h, w), and the linear map (C + 1, 3) from a cell and 1 to RGB in [0, 1].

    Without the map: pictures (B, 3, H, W), about [-1, 1]. Kept on their device until somebody looks.
    """

    values: Tensor
    to_rgb: NDArray[np.float32] | None
    number: int

    def draw(self) -> Image.Image:
        """One picture, a grid where there are several. Waits for the device; not for the event loop."""
        values = np.asarray(self.values.float().cpu())
        if self.to_rgb is None:
            return previews.sheet(pixels.to_images(values))
        return previews.preview(values, self.to_rgb)


class Progress:
    """A1111 1.10.1's `state` for one job, plus the latents of the newest preview."""

    def __init__(self, job: str) -> None:
        self.job = job
        self.job_count = -1
        self.job_no = 0
        self.sampling_step = 0
        self.sampling_steps = 0
        self.textinfo: str | None = None
        self.preview: Preview | None = None
        self.started: float | None = None
        self.timestamp = "0"
        self.watched_at = -WATCHED_SECONDS

    def begin(self) -> None:
        """Called once, when the engine takes the job up."""
        self.started = time.monotonic()
        self.timestamp = datetime.now().strftime("%Y%m%d%H%M%S")

    def expect(self, count: int) -> None:
        """Say how many batches (times passes) the whole job has; scripts say it before their parts do."""
        if self.job_count < 0:
            self.job_count = count

    def begin_pass(self, steps: int) -> None:
        self.sampling_step = 0
        self.sampling_steps = steps

    def next_batch(self) -> None:
        self.job_no += 1
        self.sampling_step = 0

    def show(self, values: Tensor, to_rgb: NDArray[np.float32] | None) -> None:
        """Make latents, or with None pictures, the newest preview (see `Preview`)."""
        number = self.preview.number + 1 if self.preview else 1
        self.preview = Preview(values, to_rgb, number)

    def watch(self) -> None:
        """Called whenever somebody asks for a preview."""
        self.watched_at = time.monotonic()

    @property
    def watched(self) -> bool:
        """Whether somebody asked for a preview lately: previews that cost something are made then."""
        return time.monotonic() - self.watched_at < WATCHED_SECONDS

    def fraction(self) -> float:
        """Share of the job that is done, 0..1, without the 0.01 that /sdapi/v1/progress adds."""
        if self.job_count <= 0:
            return 0.0
        done = self.job_no / self.job_count
        if self.sampling_steps > 0:
            done += self.sampling_step / self.sampling_steps / self.job_count
        return min(done, 1.0)

    def elapsed(self) -> float:
        """Seconds since the engine took the job up; 0 while it waits."""
        return 0.0 if self.started is None else time.monotonic() - self.started


def batch_title(number: int, count: int) -> str:
    """The original's name for batch `number` (from 0) of `count`."""
    return f"Batch {number + 1} out of {count}"
