"""From decoded pixels to the pictures of the reply: colours, overlays, masks, files, the grid."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sdapi_compat.engine.job import Picture
from sdapi_compat.imaging import color, filenames, files, grid, overlay
from sdapi_compat.imaging.upscalers import UpscalerList
from sdapi_compat.metadata import images

if TYPE_CHECKING:
    from PIL import Image

    from sdapi_compat.engine.facts import ModelFacts
    from sdapi_compat.plan.plan import Plan

GRID_NAME = "grid"
BEFORE_HIRES, BEFORE_COLORS = "-before-highres-fix", "-before-color-correction"
MASK, MASK_COMPOSITE = "-mask", "-mask-composite"
T = TypeVar("T")


class Finished(NamedTuple):
    """A finished picture and what goes with it, None where nobody asked for it."""

    image: Image.Image
    uncorrected: Image.Image | None = None
    mask: Image.Image | None = None
    composite: Image.Image | None = None


def compose(plan: Plan, picture: Image.Image, index: int, mask: Image.Image | None = None) -> Finished:
    """A decoded picture with colours corrected and the overlay laid over it, and the masks asked for.

    `index` counts images of the batch. `mask` ("L", the job's size) takes the place of the plan's overlay
    mask; A1111 1.10.1 behaviour: then there is an overlay also where the option overlay_inpaint is off.
    """
    source, save = plan.source, plan.save
    if source is None:
        return Finished(picture)
    covering = _of(source.overlays, index).to_pil() if source.overlays else None
    shown = _of(source.overlay_masks, index).to_pil() if source.overlay_masks else None
    if mask is not None:
        original = _of(source.originals, index).to_pil()
        shown = overlay.uncropped(mask, original.size, source.paste_to)
        covering = overlay.build(original, shown)
    upscaler = UpscalerList().for_resize(source.upscaler)
    uncorrected = None
    if source.color_correction:
        if save.before_color_correction:
            uncorrected = overlay.apply(picture, covering, source.paste_to, upscaler).image
        target = source.color_target or _of(source.pictures, index)
        picture = color.correct(picture, target.to_pil())
    done = overlay.apply(picture, covering, source.paste_to, upscaler)
    cut, composite = None, None
    if shown is not None and (plan.return_mask or save.mask):
        cut = overlay.mask_picture(shown)
    if shown is not None and (plan.return_mask_composite or save.mask_composite):
        composite = overlay.mask_composite(done.generated, shown)
    return Finished(done.image, uncorrected, cut, composite)


def _of(items: tuple[T, ...], index: int) -> T:
    """The item of image `index`; one item serves all."""
    return items[min(index, len(items) - 1)]


class Writer:
    """Writes one plan's pictures under its output directories, A1111's folders and names."""

    def __init__(self, plan: Plan, facts: ModelFacts, timestamp: str) -> None:
        self._plan = plan
        self._facts = facts
        self._timestamp = timestamp
        self._rules = filenames.NameRules(
            max_length=plan.save.max_name_length,
            unix=plan.save.unix_names,
            prompt_words=plan.save.prompt_words,
        )

    def sample(self, picture: Picture, index: int, suffix: str = "") -> None:
        """Save image `index` of all."""
        save = self._plan.save
        root = Path(save.directory)
        directory = save.subdirectory_pattern if save.to_subdirectories else ""
        self._write(picture, index, self._target(root, directory, save.format, index, picture, suffix))

    def grid(self, picture: Picture, name: str = GRID_NAME) -> None:
        """Save a grid; `name` is what its file's name begins with."""
        save = self._plan.save
        directory = save.subdirectory_pattern if save.grid_to_subdirectories else ""
        target = files.SaveTarget(
            root=Path(save.grid_directory),
            extension=save.grid_format,
            subdirectory=self._expanded(directory, 0, picture),
            basename=name,
            decoration=self._expanded(save.name_pattern, 0, picture) if save.grid_decorated else "",
        )
        self._write(picture, 0, target)

    def inputs(self) -> str | None:
        """Save the pictures that img2img began with, named by the MD5 of their pixels; the last name."""
        name, directory = None, self._plan.save.init_directory
        for picture in () if self._plan.source is None else self._plan.source.inputs:
            name = hashlib.md5(picture.data, usedforsecurity=False).hexdigest()
            target = files.SaveTarget(root=Path(directory or ""), decoration=name, numbered=False)
            self._write(Picture(picture.to_pil(), None), 0, target)
        return name

    def finished(self, made: Finished, infotext: str, index: int) -> None:
        """Save image `index` of all and what the options want beside it."""
        save = self._plan.save
        beside = ((made.mask, MASK, save.mask), (made.composite, MASK_COMPOSITE, save.mask_composite))
        if made.uncorrected is not None:
            self.sample(Picture(made.uncorrected, infotext), index, BEFORE_COLORS)
        self.sample(Picture(made.image, infotext), index)
        for image, suffix, wanted in beside:
            if image is not None and wanted:
                self.sample(Picture(image, infotext), index, suffix)

    def _target(
        self, root: Path, directory: str, extension: str, index: int, picture: Picture, suffix: str
    ) -> files.SaveTarget:
        save = self._plan.save
        return files.SaveTarget(
            root=root,
            extension=extension,
            subdirectory=self._expanded(directory, index, picture),
            decoration=self._expanded(save.name_pattern, index, picture),
            suffix=suffix,
            numbered=save.add_number,
            replace=save.replace_action == "Replace",
            jpeg_copy=save.jpeg_copy,
        )

    def _write(self, picture: Picture, index: int, target: files.SaveTarget) -> None:
        save = self._plan.save
        infotext = picture.infotext if self._plan.report.embed else None

        def encode(image: Image.Image, extension: str) -> bytes:
            spec = images.ImageSpec(format=extension, quality=save.quality, lossless=save.lossless)
            return images.encode(image, spec, infotext, {})

        files.save(picture.image, target, encode, picture.infotext if save.text_file else None)

    def _expanded(self, pattern: str, index: int, picture: Picture) -> str:
        return filenames.expand(pattern, self._facts_of(index), picture.image, self._rules)

    def _facts_of(self, index: int) -> filenames.NameFacts:
        plan, model = self._plan, self._facts
        return filenames.NameFacts(
            seed=plan.seeds[index],
            prompt=plan.prompts.positive[index],
            moment=datetime.now(),
            negative_prompt=plan.prompts.negative[index],
            prompt_no_styles=plan.report.asked_prompt,
            styles=plan.report.styles,
            steps=plan.report.steps,
            cfg_scale=plan.guidance.cfg_scale,
            sampler=plan.sampler.recipe.sampler,
            scheduler=plan.report.scheduler,
            model_name=model.name,
            model_hash=model.hash or "",
            vae=model.vae_name,
            clip_skip=plan.text.clip_skip,
            denoising_strength=plan.report.denoising_strength,
            all_seeds=plan.seeds,
            batch_size=plan.batch_size,
            n_iter=plan.n_iter,
            batch_index=index % plan.batch_size,
            iteration=index // plan.batch_size,
            job_timestamp=self._timestamp,
        )


def contact_sheet(plan: Plan, pictures: list[Image.Image]) -> Image.Image:
    """The grid of all pictures, by the plan's rules."""
    rule = grid.GridRule(plan.grid_rows, plan.batch_size, plan.grid_prevent_empty)
    return grid.make(pictures, grid.row_count(len(pictures), rule), plan.grid_background)
