"""Samplers and schedules by every name, at the smallest numbers of steps."""

from __future__ import annotations

from typing import Any

import pytest

from sdapi_compat.sampling.table import SAMPLERS, SCHEDULERS

STEPS = [1, 2, 3]
# The one that is left out makes dozens of model calls whatever `steps` says; it has a test of its own.
QUICK = [spec.name for spec in SAMPLERS if spec.name != "DPM adaptive"]


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M"])
@pytest.mark.parametrize("spec", SCHEDULERS, ids=lambda spec: spec.name)
def test_every_schedule_at_few_steps(server: Any, read: Any, spec: Any, sampler: str, steps: int) -> None:
    reply = server.txt2img(sampler_name=sampler, scheduler=spec.name, steps=steps)
    made = read.pixels(reply)
    assert made.std() > 0, "one colour everywhere is what NaN decodes to"
    shown = "Karras" if (sampler, spec.name) == ("DPM++ 2M", "automatic") else spec.label
    assert read.pairs(reply)["Schedule type"] == shown
    assert (read.pairs(reply)["Sampler"], read.pairs(reply)["Steps"]) == (sampler, str(steps))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("sampler", QUICK)
def test_every_sampler_at_few_steps(server: Any, read: Any, sampler: str, steps: int) -> None:
    reply = server.txt2img(sampler_name=sampler, steps=steps)
    assert read.pixels(reply).std() > 0
    assert (read.info(reply)["sampler_name"], read.pairs(reply)["Sampler"]) == (sampler, sampler)
    assert read.info(reply)["steps"] == steps


@pytest.mark.parametrize("sampler", QUICK)
def test_every_sampler_from_a_picture(server: Any, read: Any, photo: Any, sampler: str) -> None:
    reply = server.img2img(photo, sampler_name=sampler, steps=4, denoising_strength=0.5)
    assert read.pixels(reply).std() > 0
    whole = server.img2img(photo, sampler_name=sampler, steps=4, denoising_strength=1.0)
    assert read.difference(reply, whole) > 0


def test_the_adaptive_sampler_chooses_its_own_steps(server: Any, read: Any) -> None:
    few = server.txt2img(sampler_name="DPM adaptive", steps=1, width=8, height=8, cfg_scale=1)
    many = server.txt2img(sampler_name="DPM adaptive", steps=9, width=8, height=8, cfg_scale=1)
    assert read.difference(few, many) == 0
    assert read.pixels(few).std() > 0


def test_the_tests_know_every_entry_of_the_lists(server: Any) -> None:
    listed = [entry["name"] for entry in server.get("/sdapi/v1/schedulers").json()]
    assert listed == [spec.name for spec in SCHEDULERS]
    samplers = [entry["name"] for entry in server.get("/sdapi/v1/samplers").json()]
    assert set(samplers) == {*QUICK, "DPM adaptive"}


def test_a_schedule_by_label_by_name_and_on_the_sampler_are_one(server: Any) -> None:
    pictures = [
        server.txt2img(**fields)["images"]
        for fields in (
            {"sampler_name": "Euler", "scheduler": "Karras"},
            {"sampler_name": "Euler", "scheduler": "karras"},
            {"sampler_name": "Euler Karras"},
            {"sampler_name": None, "sampler_index": "Euler Karras"},
        )
    ]
    assert all(one == pictures[0] for one in pictures)
    assert server.txt2img(sampler_name="Euler")["images"] != pictures[0]


@pytest.mark.parametrize(
    ("sampler", "scheduler", "expected"),
    [
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SGMUniform", None, ("DPM++ 2M", "SGM Uniform")),
        ("Euler a Exponential", None, ("Euler a", "Exponential")),
        ("nobody knows", None, ("DPM++ 2M", "Karras")),
        ("k_euler_a", None, ("DPM++ 2M", "Karras")),
        ("Euler", "nobody knows", ("Euler", "Automatic")),
        ("Euler Karras", "exponential", ("Euler", "Exponential")),
    ],
)
def test_names_are_understood_as_by_the_original(
    server: Any, read: Any, sampler: str, scheduler: str | None, expected: tuple[str, str]
) -> None:
    reply = server.txt2img(sampler_name=sampler, scheduler=scheduler)
    pairs = read.pairs(reply)
    assert (pairs["Sampler"], pairs["Schedule type"]) == expected
    assert reply["parameters"]["sampler_name"] == sampler
    assert reply["parameters"]["scheduler"] == scheduler


def test_the_default_sampler_is_euler(server: Any, read: Any) -> None:
    assert read.info(server.txt2img(sampler_name=None))["sampler_name"] == "Euler"


def test_eta_matters_to_ancestral_samplers_only(server: Any, read: Any) -> None:
    fields = {"steps": 3}
    for sampler, differs, label in (
        ("Euler a", True, "Eta"),
        ("DDIM", True, "Eta DDIM"),
        ("Euler", False, "Eta"),
    ):
        plain = server.txt2img(sampler_name=sampler, **fields)
        changed = server.txt2img(sampler_name=sampler, eta=0.5, **fields)
        assert (read.difference(plain, changed) > 0) == differs, sampler
        assert (label in read.pairs(changed)) == differs, sampler


def test_schedule_options_are_told(server: Any, read: Any) -> None:
    options = {"sigma_min": 0.1, "sigma_max": 10.0, "rho": 5.0}
    reply = server.txt2img(scheduler="karras", steps=3, override_settings=options)
    pairs = read.pairs(reply)
    assert pairs["Schedule min sigma"] == "0.1"
    assert pairs["Schedule max sigma"] == "10.0"
    assert pairs["Schedule rho"] == "5.0"
    assert read.difference(reply, server.txt2img(scheduler="karras", steps=3)) > 0


def test_discarding_the_penultimate_sigma(server: Any, read: Any) -> None:
    options = {"always_discard_next_to_last_sigma": True}
    reply = server.txt2img(scheduler="karras", steps=3, override_settings=options)
    assert read.pairs(reply)["Discard penultimate sigma"] == "True"
    assert read.difference(reply, server.txt2img(scheduler="karras", steps=3)) > 0


def test_guidance_scale(server: Any, read: Any) -> None:
    made = {scale: server.txt2img(cfg_scale=scale, negative_prompt="red", steps=3) for scale in (1, 3, 7.5)}
    assert read.difference(made[1], made[3]) > 2
    assert read.difference(made[3], made[7.5]) > 2
    assert [read.pairs(reply)["CFG scale"] for reply in made.values()] == ["1.0", "3.0", "7.5"]
    other = server.txt2img(cfg_scale=1, negative_prompt="blue car", steps=3)
    assert read.difference(made[1], other) <= 1, "at 1 the negative prompt cancels out"
