"""Options that bend generation and that no other test here is about."""

from __future__ import annotations

import time
from typing import Any

import pytest
from PIL import Image

HIRES = {"enable_hr": True, "denoising_strength": 0.6, "hr_scale": 1.5, "steps": 3}


def test_the_old_emphasis(server: Any, read: Any) -> None:
    prompt = "a ((red)) apple"
    old = {"use_old_emphasis_implementation": True}
    reply = server.txt2img(prompt=prompt, steps=3, override_settings=old)
    assert read.difference(reply, server.txt2img(prompt=prompt, steps=3)) == 0, "where both mean the same"
    weighed = {"prompt": "a (red:1.6) apple", "steps": 3}
    assert read.difference(server.txt2img(**weighed, override_settings=old), server.txt2img(**weighed)) > 0
    ignoring = old | {"emphasis": "Ignore"}
    without = server.txt2img(**weighed, override_settings=ignoring)
    assert "Emphasis" not in read.pairs(without)
    long = {"prompt": "apple, " * 60 + "red", "steps": 3}
    short = long | {"prompt": "apple, " * 60 + "blue"}
    assert read.difference(server.txt2img(**long), server.txt2img(**short)) > 0
    cut = [server.txt2img(**body, override_settings=old) for body in (long, short)]
    assert read.difference(*cut) == 0, "what does not fit into 75 tokens is cut off"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"prompt": "a cat", "hr_prompt": "a (cat)"}, True),
        ({"prompt": "a cat", "hr_negative_prompt": "[mud]"}, True),
        ({"prompt": "a cat", "hr_prompt": "a dog"}, False),
        ({"prompt": "a [cat:dog:0.5]"}, False),
    ],
)
def test_emphasis_is_told_for_the_hires_prompts_too(
    server: Any, read: Any, fields: dict[str, str], told: bool
) -> None:
    reply = server.txt2img(**HIRES, **fields, override_settings={"emphasis": "No norm"})
    assert ("Emphasis" in read.pairs(reply)) == told


def test_old_timelines_are_told_where_they_matter(server: Any, read: Any) -> None:
    old = {"use_old_scheduling": True}
    body = {"prompt": "a [cat:dog:1.0]", "steps": 4}
    reply = server.txt2img(**body, override_settings=old)
    assert read.pairs(reply)["Old prompt editing timelines"] == "True"
    assert read.difference(reply, server.txt2img(**body)) > 0
    same = server.txt2img(prompt="a [cat:dog:0.5]", steps=4, override_settings=old)
    assert "Old prompt editing timelines" not in read.pairs(same)


def test_token_merging_ratios_are_told(server: Any, read: Any, photo: Image.Image) -> None:
    ratios = {"token_merging_ratio": 0.5, "token_merging_ratio_hr": 0.3}
    pairs = read.pairs(server.txt2img(**HIRES, override_settings=ratios))
    assert (pairs["Token merging ratio"], pairs["Token merging ratio hr"]) == ("0.5", "0.3")
    pairs = read.pairs(server.txt2img(steps=1, override_settings=ratios))
    assert (pairs["Token merging ratio"], pairs.get("Token merging ratio hr")) == ("0.5", None)
    own = {"token_merging_ratio_img2img": 0.2}
    assert read.pairs(server.img2img(photo, override_settings=own))["Token merging ratio"] == "0.2"
    both = server.img2img(photo, override_settings=own | ratios)
    assert read.pairs(both)["Token merging ratio"] == "0.5"
    assert "Token merging ratio" not in read.pairs(server.txt2img(steps=1, override_settings=own))


def test_the_old_hires_fix_takes_the_size_as_that_of_the_result(server: Any, read: Any) -> None:
    old = {"use_old_hires_fix_width_height": True}
    reply = server.txt2img(
        **HIRES | {"steps": 1}, width=768, height=576, override_settings=old, hr_second_pass_steps=1
    )
    assert read.image(reply).size == (768, 576)
    pairs, info = read.pairs(reply), read.info(reply)
    assert (pairs["Size"], pairs["Hires resize"]) == ("640x448", "768x576")
    assert (info["width"], info["height"]) == (640, 448)
    assert "Hires upscale" not in pairs
    assert read.image(server.txt2img(steps=1, override_settings=old)).size == (64, 64)


def test_hires_prompts_encoded_by_the_first_pass(server: Any, read: Any) -> None:
    body = HIRES | {"prompt": "a red apple", "hr_prompt": "a blue car", "negative_prompt": "mud"}
    plain = server.txt2img(**body)
    early = server.txt2img(**body, override_settings={"hires_fix_use_firstpass_conds": True})
    assert read.difference(plain, early) == 0, "one model, no networks: the same encodings"


def test_pairs_of_options_come_in_the_originals_order(server: Any, read: Any) -> None:
    options = {
        "use_downcasted_alpha_bar": True,
        "sd_noise_schedule": "Zero Terminal SNR",
        "sgm_noise_multiplier": True,
        "emphasis": "No norm",
        "sigma_min": 0.1,
        "skip_early_cond": 0.3,
    }
    reply = server.txt2img(prompt="a (cat)", scheduler="Karras", eta=0.5, override_settings=options,
                           sampler_name="Euler a")  # fmt: skip
    assert list(read.info(reply)["extra_generation_params"]) == [
        "Emphasis",
        "Downcast alphas_cumprod",
        "Noise Schedule",
        "Schedule type",
        "Schedule min sigma",
        "SGM noise multiplier",
        "Eta",
        "Skip Early CFG",
    ]


def counted(server: Any, result: str) -> float:
    """How often a prompt was found among the remembered ones ("hit") or encoded ("miss")."""
    lines = server.get("/metrics").text.splitlines()
    return next(
        float(line.split()[-1]) for line in lines if f'prompt_cache_total{{result="{result}"}}' in line
    )


def test_a_prompt_that_comes_again_is_not_encoded_again(server: Any) -> None:
    body = {"prompt": "a prompt of this test", "negative_prompt": "and its negative", "steps": 1}
    server.txt2img(**body)
    misses, hits = counted(server, "miss"), counted(server, "hit")
    server.txt2img(**body | {"seed": 2, "sampler_name": "DDIM", "cfg_scale": 3.0})
    assert (counted(server, "miss"), counted(server, "hit")) == (misses, hits + 2)
    server.txt2img(**body, override_settings={"CLIP_stop_at_last_layers": 2})
    assert counted(server, "miss") == misses + 2


@pytest.mark.parametrize("bracket", ["(", "[", "([", "()", "[]"])
def test_brackets_without_end_cost_little(server: Any, read: Any, bracket: str) -> None:
    prompt = bracket * (100_000 // len(bracket))
    started = time.monotonic()
    reply = server.txt2img(prompt=prompt, steps=1)
    # Well under a second where nothing else runs; anything quadratic would take minutes.
    assert time.monotonic() - started < 20
    assert read.info(reply)["prompt"] == prompt
    assert read.difference(reply, server.txt2img(prompt="", steps=1)) == 0
