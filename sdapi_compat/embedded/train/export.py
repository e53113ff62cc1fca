"""Write the trained parts as a diffusers folder with float16 weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from PIL import Image

from .diffusion import build_unet
from .parts import (
    AutoencoderKL,
    CLIPTextModel,
    CLIPTokenizer,
    EulerDiscreteScheduler,
    Pipeline,
    Scheduler,
    StableDiffusionPipeline,
)
from .retrieval import CELL, COLUMNS, SHEET, cell_of
from .vocabulary import concept_keys, load_concepts


def scheduler() -> Scheduler:
    """The scheduler the folder names: SD1's noise schedule, v-prediction."""
    return EulerDiscreteScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        steps_offset=1,
        timestep_spacing="leading",
    )


def load_trained(work: Path) -> Pipeline:
    """The pipeline of what ``work`` holds, in float32, with the averaged U-Net weights."""
    state = torch.load(work / "diffusion.pt", weights_only=True)
    unet = build_unet()
    unet.load_state_dict(state["average"])
    vae = AutoencoderKL.from_pretrained(work / "vae")
    vae.register_to_config(scaling_factor=state["scaling_factor"])
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel.from_pretrained(work / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(work / "tokenizer"),
        unet=unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def write_glyph_sheet() -> None:
    """Write the small glyphs of the vocabulary's own table, so that tests need no font."""
    concepts = load_concepts()[: len(concept_keys())]
    sheet = Image.new("RGBA", (CELL * COLUMNS, CELL * -(-len(concepts) // COLUMNS)))
    for index, concept in enumerate(concepts):
        sheet.paste(cell_of(concept), (CELL * (index % COLUMNS), CELL * (index // COLUMNS)))
    sheet.save(SHEET, optimize=True)


def _forget_places(folder: Path) -> None:
    """Take out of the configurations in which folder of this machine their parts lay."""
    for file in folder.glob("*/config.json"):
        config = json.loads(file.read_text(encoding="utf-8"))
        if config.pop("_name_or_path", None) is not None:
            file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _without_blanks(file: Path) -> None:
    """Write a JSON file without indentation: more than half of a tokenizer's file is nothing else."""
    kept = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(kept, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def export(work: Path, target: Path) -> None:
    """Replace the folder ``target`` by the model in ``work``, with no moment at which it is incomplete."""
    draft = target.with_name(target.name + ".draft")
    old = target.with_name(target.name + ".old")
    for folder in (draft, old):
        shutil.rmtree(folder, ignore_errors=True)
    load_trained(work).to(dtype=torch.float16).save_pretrained(draft, safe_serialization=True)
    _forget_places(draft)
    _without_blanks(draft / "tokenizer" / "tokenizer.json")
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    write_glyph_sheet()
