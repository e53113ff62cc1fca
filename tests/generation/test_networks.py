"""Hypernetworks in prompts and options, on a real server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

CONTEXT, INNER = 256, 96
STEPS = 3


def write(path: Path, *widths: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def layers(width: int) -> dict[str, torch.Tensor]:
        return {
            "linear.0.weight": torch.randn(2 * width, width, generator=generator) / width**0.5,
            "linear.0.bias": torch.randn(2 * width, generator=generator),
            "linear.1.weight": torch.randn(width, 2 * width, generator=generator) / width**0.5,
            "linear.1.bias": torch.randn(width, generator=generator),
        }

    content: dict[Any, Any] = {width: (layers(width), layers(width)) for width in widths}
    torch.save(content | {"activation_func": "relu", "name": path.stem}, path)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, launch: Callable[..., Any]) -> Any:
    """A server with the hypernetworks "one", "two" and "broken"."""
    root = tmp_path_factory.mktemp("networks")
    folder = root / "models" / "hypernetworks"
    (folder / "deep").mkdir(parents=True)
    write(folder / "one.pt", CONTEXT, seed=1)
    write(folder / "deep" / "two.pt", CONTEXT, INNER, seed=2)
    (folder / "broken.pt").write_bytes(b"nothing")
    return launch(root)


def test_they_are_listed_with_their_files(held: Any) -> None:
    listed = {one["name"]: Path(one["path"]) for one in held.get("/sdapi/v1/hypernetworks").json()}
    assert set(listed) == {"one", "two", "broken"}
    assert listed["two"].is_file()


def test_a_tag_changes_the_picture_and_stays_in_the_prompt(held: Any, read: Any) -> None:
    plain = held.txt2img(steps=STEPS)
    changed = held.txt2img(prompt="a red apple<hypernet:one:1>", steps=STEPS)
    assert read.difference(plain, changed) > 5
    assert read.info(changed)["prompt"] == "a red apple<hypernet:one:1>"
    assert read.info(changed)["infotexts"][0].startswith("a red apple<hypernet:one:1>\n")
    assert held.txt2img(steps=STEPS)["images"] == plain["images"], "nothing is left behind"
    assert read.difference(changed, held.txt2img(prompt="a red apple<hypernet:one>", steps=STEPS)) == 0


def test_strength_and_order_count(held: Any, read: Any) -> None:
    replies = [
        held.txt2img(prompt=f"a red apple{tags}", steps=STEPS)
        for tags in (
            "<hypernet:one:0.3>",
            "<hypernet:one:1>",
            "<hypernet:two:1>",
            "<hypernet:one:1><hypernet:two:1>",
            "<hypernet:two:1><hypernet:one:1>",
        )
    ]
    assert len({read.pixels(reply).tobytes() for reply in replies}) == len(replies)
    none = held.txt2img(prompt="a red apple<hypernet:one:0>", steps=STEPS)
    assert read.difference(none, held.txt2img(steps=STEPS)) == 0


def test_the_hires_pass_has_the_networks_of_its_own_prompt(held: Any, read: Any) -> None:
    hires = {"steps": STEPS, "enable_hr": True, "denoising_strength": 0.6, "hr_scale": 1.5}
    plain = held.txt2img(**hires)
    both = held.txt2img(**hires, prompt="a red apple<hypernet:one:1>")
    second = held.txt2img(**hires, hr_prompt="a red apple<hypernet:one:1>")
    assert len({read.pixels(reply).tobytes() for reply in (plain, both, second)}) == 3
    assert read.pairs(second)["Hires prompt"] == "a red apple<hypernet:one:1>"


@pytest.mark.parametrize("tag", ["<hypernet:nobody:1>", "<hypernet:one:much>"])
def test_unknown_names_and_malformed_strengths_change_nothing(held: Any, read: Any, tag: str) -> None:
    reply = held.txt2img(prompt=f"a red apple{tag}", steps=STEPS)
    assert read.difference(reply, held.txt2img(steps=STEPS)) == 0


def test_they_can_be_left_out(held: Any, read: Any) -> None:
    reply = held.txt2img(prompt="a red apple<hypernet:one:1>", steps=STEPS, disable_extra_networks=True)
    assert read.difference(reply, held.txt2img(steps=STEPS)) == 0


def test_the_option_adds_one_to_every_prompt(held: Any, read: Any) -> None:
    options = {"sd_hypernetwork": "one", "extra_networks_default_multiplier": 0.5}
    reply = held.txt2img(steps=STEPS, override_settings=options)
    assert read.info(reply)["prompt"] == "a red apple<hypernet:one:0.5>"
    assert reply["parameters"]["prompt"] == "a red apple"
    written = held.txt2img(prompt="a red apple<hypernet:one:0.5>", steps=STEPS)
    assert reply["images"] == written["images"]
    assert (
        held.txt2img(steps=STEPS, override_settings={"sd_hypernetwork": "nobody"})["images"]
        == (held.txt2img(steps=STEPS)["images"])
    )


def test_a_file_that_is_none_is_an_error_that_names_it(held: Any, read: Any) -> None:
    body = {"prompt": "a<hypernet:broken:1>", "steps": 1, "width": 64, "height": 64}
    reply = held.post("/sdapi/v1/txt2img", body)
    assert (reply.status_code, reply.json()["error"]) == (500, "RuntimeError")
    assert "broken.pt" in reply.json()["errors"]
    plain = held.txt2img(steps=STEPS)
    assert read.difference(plain, held.txt2img(prompt="a red apple<hypernet:one:1>", steps=STEPS)) > 5
