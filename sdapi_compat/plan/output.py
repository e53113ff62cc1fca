"""The part of a Plan about what comes of it: files, infotext and info, previews."""

from __future__ import annotations

from typing import Any

import msgspec

from sdapi_compat.imaging.files import JpegCopy


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to write, where and how; directories are absolute.

    `samples` goes for the four kinds after it, too. `init_directory`: where img2img inputs go, None for
    nowhere. `grid_decorated`: grids have the samples' pattern in their names.
    """

    samples: bool
    before_hires: bool
    before_color_correction: bool
    mask: bool
    mask_composite: bool
    init_directory: str | None
    grid: bool
    grid_decorated: bool
    directory: str
    grid_directory: str
    to_subdirectories: bool
    grid_to_subdirectories: bool
    subdirectory_pattern: str
    name_pattern: str
    add_number: bool
    replace_action: str
    format: str
    grid_format: str
    quality: int
    lossless: bool
    text_file: bool
    incomplete: bool
    max_name_length: int
    prompt_words: int
    unix_names: bool
    jpeg_copy: JpegCopy | None
    params_file: str | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What infotext and info say beyond what was done.

    `steps`, `denoising_strength` and `seed_resize` are as asked. `extra` keeps the original's
    insertion order; a list in it has one value per image.
    """

    steps: int
    denoising_strength: float | None
    seed_resize: tuple[int, int]
    model_name: bool
    model_hash: bool
    vae_name: bool
    vae_hash: bool
    embedding_hashes: bool
    version: str | None
    embed: bool
    styles: tuple[str, ...]
    asked_prompt: str
    scheduler: str
    shows_ensd: bool
    extra: dict[str, Any]


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures for /progress: every so many steps, 0 for never; of the whole batch as a `grid`, or the first.

    `kind`: "Full" and "TAESD" decode, everything else is the linear map. `full_always`: also decode in full
    where the model's parts take turns on the device.
    """

    every: int
    content: str
    kind: str
    grid: bool
    full_always: bool
