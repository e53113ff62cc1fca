"""The body of a job that makes one plan's pictures: batches, passes, decoding, finishing."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sdapi_compat.engine import finishing
from sdapi_compat.engine.asks import Decode, Describe
from sdapi_compat.engine.batch import Batch
from sdapi_compat.engine.hooks import Hooks
from sdapi_compat.engine.job import Outcome, Picture
from sdapi_compat.engine.passes import FULL_VAE, PassRunner
from sdapi_compat.engine.progress import batch_title
from sdapi_compat.engine.report import Reporter
from sdapi_compat.errors import Fault
from sdapi_compat.imaging import pixels
from sdapi_compat.imaging.upscalers import LATENT_MODES
from sdapi_compat.plan.rules import TINY_VAE

if TYPE_CHECKING:
    from collections.abc import Generator

    from PIL import Image

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.facts import ModelFacts
    from sdapi_compat.engine.job import Job
    from sdapi_compat.plan.plan import Plan

log = logging.getLogger(__name__)
NO_HOOKS = Hooks()


def generate(plan: Plan, job: Job, hooks: Hooks = NO_HOOKS) -> Generator[Ask, Any, Outcome]:
    """Yields what it needs of the model and returns the outcome. A stopped job returns what it has."""
    facts = yield Describe(plan.model)
    _require_tiny(plan, facts)
    run = Generation(plan, job, facts, hooks)
    outcome = yield from run.body()
    return outcome


def _require_tiny(plan: Plan, facts: ModelFacts) -> None:
    """Without TAESD's file a picture that is to go through it fails here, not after its last step."""
    encodes = plan.source is not None or (plan.hires is not None and plan.hires.upscaler not in LATENT_MODES)
    wanted = {"decoder": plan.decoding.tiny, "encoder": encodes and plan.vae_methods.encode == TINY_VAE}
    for part, needed in wanted.items():
        if needed and part not in facts.tiny:
            raise Fault(
                "FileNotFoundError", f"TAESD model not found: no taesd_{part}.pth in models/VAE-taesd"
            )


class Generation:
    """One plan being carried out."""

    def __init__(
        self,
        plan: Plan,
        job: Job,
        facts: ModelFacts,
        hooks: Hooks,
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
        progress.expect(plan.n_iter * plan.passes)
        self._reporter.input_hash = self._writer.inputs()
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
        for place, image in enumerate(self._runner.first_pictures):
            index = number * plan.batch_size + place
            picture = Picture(image, self._reporter.infotext(index))
            self._writer.sample(picture, index, finishing.BEFORE_HIRES)
        if plan.decoding.check and bool(latents.isnan().any()):
            raise Fault("NansException", "A tensor with NaNs was produced in the UNet; try --no-half.")
        if number == 0 and plan.save.params_file is not None:
            _write_history(plan.save.params_file, self._reporter.infotext(0))
        if plan.vae_methods.decode != FULL_VAE and plan.hires is None:
            # A1111 1.10.1 behaviour: the hires pass decodes without saying how.
            self._reporter.added["VAE Decoder"] = plan.vae_methods.decode
        decoded = yield Decode(self._runner.last_model, latents, plan.tiling, plan.decoding)
        for offset, image in enumerate(pixels.to_images(np.asarray(decoded.cpu()))):
            self._finish(image, number * plan.batch_size + offset, offset)
        self._job.progress.next_batch()

    def _finish(self, decoded: Image.Image, index: int, offset: int) -> None:
        plan, control = self._plan, self._job.control
        infotext = self._reporter.infotext(index)
        self._infotexts.append(infotext)
        masks = self._runner.overlay_masks
        made = finishing.compose(plan, decoded, offset, masks[offset] if masks else None)
        self._pictures.append(Picture(made.image, infotext if plan.report.embed else None))
        if plan.save.samples and (plan.save.incomplete or not control.stopped):
            self._writer.finished(made, infotext, index)
        if made.mask is not None and plan.return_mask:
            self._pictures.append(Picture(made.mask, None))
        if made.composite is not None and plan.return_mask_composite:
            self._pictures.append(Picture(made.composite, None))

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
