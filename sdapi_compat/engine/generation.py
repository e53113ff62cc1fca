"""The body of a job that makes one plan's pictures: batches, passes, decoding, finishing."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sdapi_compat.engine import finishing
from sdapi_compat.engine.asks import Decode, Describe
from sdapi_compat.engine.job import Outcome, Picture
from sdapi_compat.engine.passes import Batch, PassRunner
from sdapi_compat.engine.progress import batch_title
from sdapi_compat.engine.report import Reporter
from sdapi_compat.errors import Fault
from sdapi_compat.imaging import pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from PIL import Image
    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.facts import ModelFacts
    from sdapi_compat.engine.job import Job
    from sdapi_compat.plan.plan import Plan

log = logging.getLogger(__name__)


def generate(
    plan: Plan, job: Job, hooks: Sequence[Callable[[Tensor, float], Tensor]] = ()
) -> Generator[Ask, Any, Outcome]:
    """Yields what it needs of the model and returns the outcome. A stopped job returns what it has."""
    facts = yield Describe(plan.model)
    run = Generation(plan, job, facts, hooks)
    outcome = yield from run.body()
    return outcome


class Generation:
    """One plan being carried out."""

    def __init__(
        self,
        plan: Plan,
        job: Job,
        facts: ModelFacts,
        hooks: Sequence[Callable[[Tensor, float], Tensor]],
    ) -> None:
        self._plan = plan
        self._job = job
        self._reporter = Reporter(plan, facts, job.progress.timestamp)
        self._writer = finishing.Writer(plan, facts, job.progress.timestamp)
        self._runner = PassRunner(plan, job, hooks, self._reporter.added)
        self._pictures: list[Picture] = []
        self._infotexts: list[str] = []

    def body(self) -> Generator[Ask, Any, Outcome]:
        """All batches, then the grid."""
        plan, progress = self._plan, self._job.progress
        progress.expect(plan.n_iter * (2 if plan.hires else 1))
        for number in range(plan.n_iter):
            if self._job.control.interrupted:
                break
            self._job.control.skipped = False
            if plan.n_iter > 1:
                progress.job = batch_title(number, plan.n_iter)
            yield from self._batch(number)
        return self._outcome()

    def _batch(self, number: int) -> Generator[Ask, Any, None]:
        plan = self._plan
        batch = Batch.of(plan, number)
        latents = yield from self._runner.run(batch)
        if plan.decoding.check and bool(latents.isnan().any()):
            raise Fault("NansException", "A tensor with NaNs was produced in the UNet; try --no-half.")
        if number == 0 and plan.save.params_file is not None:
            _write_history(plan.save.params_file, self._reporter.infotext(0))
        decoded = yield Decode(self._runner.last_model, latents, plan.tiling, plan.decoding)
        for offset, image in enumerate(pixels.to_images(np.asarray(decoded.cpu()))):
            self._finish(image, number * plan.batch_size + offset, offset)
        self._job.progress.next_batch()

    def _finish(self, decoded: Image.Image, index: int, offset: int) -> None:
        plan, control = self._plan, self._job.control
        infotext = self._reporter.infotext(index)
        self._infotexts.append(infotext)
        image, *extras = finishing.compose(plan, decoded, offset)
        picture = Picture(image, infotext if plan.report.embed else None)
        self._pictures.append(picture)
        if plan.save.samples and (plan.save.incomplete or not control.stopped):
            self._writer.sample(Picture(image, infotext), index)
        self._pictures.extend(Picture(extra, None) for extra in extras)

    def _outcome(self) -> Outcome:
        plan, pictures, infotexts = self._plan, self._pictures, self._infotexts
        if not infotexts:
            # Stopped before the first picture: the original still says what would have been made.
            infotexts = [self._reporter.infotext(0)]
        first = 0
        wanted = plan.grid and pictures and not (plan.grid_only_if_multiple and len(pictures) < 2)
        if wanted:
            sheet = finishing.contact_sheet(plan, [picture.image for picture in pictures])
            grid = Picture(sheet, infotexts[0] if plan.report.embed else None)
            if plan.save.grid:
                self._writer.grid(Picture(sheet, infotexts[0]))
            if plan.grid_returned:
                pictures, infotexts, first = [grid, *pictures], [infotexts[0], *infotexts], 1
        return Outcome(pictures, infotexts, self._reporter.info(infotexts, first))


def _write_history(path: str, infotext: str) -> None:
    """params.txt: the infotext of the newest generation. Losing it is no reason to lose the picture."""
    temporary = Path(f"{path}.{os.getpid()}.tmp")
    try:
        temporary.write_text(infotext, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        log.warning("cannot write %s: %s", path, error)
