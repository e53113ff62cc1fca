from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import pytest
from PIL import Image

from sdapi_compat.imaging.filenames import NameFacts, expand
from sdapi_compat.imaging.upscalers import LATENT_MODES, UpscalerList
from sdapi_compat.sampling.table import SAMPLERS, SCHEDULERS, SamplerSpec, SchedulerSpec


def rows(text: str, header: str) -> dict[str, list[str]]:
    """The rows of the table with that first header, by their first cell."""
    table = text.split(f"\n| {header} |", 1)[1].split("\n\n", 1)[0]
    cells = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {first: rest for first, *rest in cells}


def test_samplers_in_order(page: Callable[[str], str]) -> None:
    assert list(rows(page("generation.md"), "Sampler")) == [spec.name for spec in SAMPLERS]


@pytest.mark.parametrize("spec", SAMPLERS, ids=lambda spec: spec.name)
def test_sampler_row(spec: SamplerSpec, page: Callable[[str], str]) -> None:
    scheduler, remarks = rows(page("generation.md"), "Sampler")[spec.name]
    if spec.scheduler is not None:
        assert scheduler.lower() == spec.scheduler
    else:
        assert scheduler == (
            "none" if spec.family == "timestep" or spec.name.startswith("DPM ") else "the model's"
        )
    assert ("two model calls a step" in remarks) == spec.second_order
    assert ("noise at every step" in remarks) == (spec.eta_kind == "ancestral")


@pytest.mark.parametrize("spec", SCHEDULERS, ids=lambda spec: spec.name)
def test_scheduler_row(spec: SchedulerSpec, page: Callable[[str], str]) -> None:
    assert rows(page("generation.md"), "Label")[spec.label][0] == spec.name


def test_hires_upscalers_are_named(page: Callable[[str], str]) -> None:
    for name in (*LATENT_MODES, *(upscaler.name for upscaler in UpscalerList())):
        assert f"`{name}`" in page("generation.md")


def test_file_name_patterns_work(page: Callable[[str], str]) -> None:
    facts = NameFacts(seed=1, prompt="a", moment=datetime(2024, 1, 2), job_timestamp="20240102")
    patterns = re.findall(r"`(\[\w+(?:<[^`]*>)?\])`", page("generation.md"))
    literal = [pattern for pattern in patterns if expand(pattern, facts, Image.new("RGB", (8, 8))) == pattern]
    assert len(patterns) > 25
    assert literal == []
