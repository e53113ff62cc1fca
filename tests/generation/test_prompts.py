"""What prompts do to pictures and to the infotext."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STYLES = (
    'name,prompt,negative_prompt\ncinematic,"still of {prompt}, deep","cartoon"\nplain,high detail,blurry\n'
)


def test_prompts_matter(server: Any, read: Any) -> None:
    plain = server.txt2img(prompt="a red apple", steps=3)
    assert read.difference(plain, server.txt2img(prompt="a blue car", steps=3)) > 10
    unwanted = server.txt2img(prompt="a red apple", negative_prompt="apple", steps=3)
    assert read.difference(plain, unwanted) > 5
    assert "Negative prompt: apple\n" in read.info(unwanted)["infotexts"][0]
    assert "Negative prompt" not in read.info(plain)["infotexts"][0]


@pytest.mark.parametrize(
    ("prompt", "differs"),
    [
        ("a (red:1.6) apple", True),
        ("a ((red)) apple", True),
        ("a [red] apple", True),
        ("a (red:1.0) apple", False),
        (r"a \(red\) apple", True),
        ("a [red:blue:0.5] apple", True),
        ("a [red|blue] apple", True),
        ("a red apple BREAK blue", True),
        ("a red apple AND blue :0.8", True),
    ],
)
def test_prompt_syntax_changes_the_picture(server: Any, read: Any, prompt: str, differs: bool) -> None:
    plain = server.txt2img(prompt="a red apple", steps=3)
    reply = server.txt2img(prompt=prompt, steps=3)
    assert (read.difference(plain, reply) > 0) == differs
    assert read.info(reply)["prompt"] == prompt


def test_weights_add_up(server: Any, read: Any) -> None:
    plain = server.txt2img(prompt="a red apple")
    little = server.txt2img(prompt="a (red:1.2) apple")
    much = server.txt2img(prompt="a (red:2.5) apple")
    assert 0 < read.difference(plain, little) < read.difference(plain, much)


def test_emphasis_can_be_ignored_and_is_told(server: Any, read: Any) -> None:
    plain = server.txt2img(prompt="a red apple")
    ignored = server.txt2img(prompt="a (red:2.5) apple", override_settings={"emphasis": "Ignore"})
    assert read.difference(plain, ignored) == 0
    assert read.pairs(ignored)["Emphasis"] == "Ignore"


def test_a_prompt_of_more_than_75_tokens_counts_to_its_end(server: Any, read: Any) -> None:
    start = "apple, " * 60
    one, other = server.txt2img(prompt=f"{start}red"), server.txt2img(prompt=f"{start}blue car, a tree")
    assert read.difference(one, other) > 0
    assert read.info(one)["prompt"] == f"{start}red"
    negative = server.txt2img(negative_prompt=f"{start}red")
    assert read.difference(negative, server.txt2img()) > 0


def test_an_empty_prompt_is_a_prompt(server: Any, read: Any) -> None:
    reply = server.txt2img(prompt="", negative_prompt="")
    assert read.info(reply)["infotexts"][0].startswith("Steps: 2, ")


def test_text_of_any_script_comes_back(server: Any, read: Any) -> None:
    prompt = "красное яблоко 🍎, 猫: (x:1.1)"
    reply = server.txt2img(prompt=prompt)
    assert reply["parameters"]["prompt"] == prompt
    assert read.info(reply)["prompt"] == prompt
    assert read.image(reply).info["parameters"].startswith(prompt)


def test_clip_skip_changes_the_picture_and_is_told(server: Any, read: Any) -> None:
    plain = server.txt2img()
    skipped = server.txt2img(override_settings={"CLIP_stop_at_last_layers": 2})
    assert read.difference(plain, skipped) > 5
    assert (read.pairs(skipped)["Clip skip"], read.info(skipped)["clip_skip"]) == ("2", 2)
    assert "Clip skip" not in read.pairs(plain)
    assert server.txt2img()["images"] == plain["images"]


def test_comments_are_not_part_of_the_prompt(server: Any, read: Any) -> None:
    reply = server.txt2img(prompt="a red apple # and a car")
    assert reply["images"][0]
    assert read.info(reply)["prompt"] == "a red apple \n"
    assert read.difference(reply, server.txt2img(prompt="a red apple")) == 0


def test_unknown_networks_are_ignored_and_kept_in_the_infotext(server: Any, read: Any) -> None:
    reply = server.txt2img(prompt="a red apple<lora:nobody:1>")
    assert read.difference(reply, server.txt2img(prompt="a red apple")) == 0
    assert read.info(reply)["prompt"] == "a red apple<lora:nobody:1>"


def test_unknown_styles_change_nothing(server: Any, read: Any) -> None:
    reply = server.txt2img(styles=["nobody"])
    assert reply["images"] == server.txt2img()["images"]
    assert read.info(reply)["styles"] == ["nobody"]


def test_styles_are_merged(start_server: Callable[..., Any], read: Any, tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_text(STYLES)
    server = start_server()
    styled = server.txt2img(prompt="an apple", negative_prompt="car", styles=["cinematic", "plain"])
    info = read.info(styled)
    assert info["prompt"] == "still of an apple, deep, high detail"
    assert info["negative_prompt"] == "car, cartoon, blurry"
    assert info["styles"] == ["cinematic", "plain"]
    assert styled["parameters"]["prompt"] == "an apple"
    written = server.txt2img(
        prompt="still of an apple, deep, high detail", negative_prompt="car, cartoon, blurry"
    )
    assert written["images"] == styled["images"]
    assert server.txt2img(styles=[])["images"] == server.txt2img(styles=None)["images"]
    hires = server.txt2img(
        prompt="an apple", styles=["plain"], enable_hr=True, denoising_strength=0.5, hr_prompt="a car"
    )
    assert read.pairs(hires)["Hires prompt"] == "a car, high detail"
