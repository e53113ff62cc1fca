"""Prompts from file or textbox: the language of lines, seeds, joined prompts."""

from __future__ import annotations

from typing import Any

import pytest

from sdapi_compat.errors import ApiError, InvalidRequest

TITLE = "Prompts from file or textbox"


def lines(*texts: str, iterate: bool = False, same: bool = False, position: str = "start") -> list[Any]:
    return [iterate, same, position, "\n".join(texts)]


def test_every_line_that_is_not_empty_is_a_prompt(play: Any, txt2img: Any) -> None:
    played = play(TITLE, txt2img(prompt=""), lines("a cat", "", "  a dog  ", "a -- b"))
    assert played.each("prompt") == ["a cat", "a dog", "a -- b"]
    assert played.each("grid") == [False] * 3
    assert played.each("title") == ["1 out of 3", "2 out of 3", "3 out of 3"]
    assert len(played.outcome.pictures) == 3


@pytest.mark.parametrize(
    ("position", "prompt", "negative"),
    [("start", "a cat, in snow", "dark blurry"), ("end", ", in snow a cat", "blurry dark")],
)
def test_prompts_are_joined_with_those_of_the_request(
    play: Any, txt2img: Any, position: str, prompt: str, negative: str
) -> None:
    draft = txt2img(prompt=", in snow", negative_prompt="blurry")
    line = '--prompt "a cat" --negative_prompt dark'
    (part,) = play(TITLE, draft, lines(line, position=position)).asked
    assert part.prompt == prompt.replace("cat, in", "cat , in")
    assert part.negative_prompt == negative


def test_prompts_go_on_to_the_next_option(play: Any, txt2img: Any) -> None:
    (part,) = play(
        TITLE, txt2img(prompt=""), lines("--prompt a red apple --steps 7 --negative_prompt not blue")
    ).asked
    assert (part.prompt, part.negative_prompt, part.steps) == ("a red apple", "not blue", 7)


def test_a_line_without_a_prompt_keeps_that_of_the_request(play: Any, txt2img: Any) -> None:
    (part,) = play(TITLE, txt2img(), lines("--steps 9")).asked
    assert (part.prompt, part.steps) == ("a red apple", 9)


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        ("--seed 77", "seed", 77),
        ("--subseed 3", "subseed", 3),
        ("--subseed_strength 0.25", "subseed_strength", 0.25),
        ("--seed_resize_from_h 128", "seed_resize_from_h", 128),
        ("--seed_resize_from_w 128", "seed_resize_from_w", 128),
        ("--batch_size 2", "batch_size", 2),
        ("--n_iter 3", "n_iter", 3),
        ("--steps 9", "steps", 9),
        ("--cfg_scale 4.5", "cfg_scale", 4.5),
        ("--width 128", "width", 128),
        ("--height 192", "height", 192),
        ("--sampler_name 'DPM++ 2M'", "sampler", "DPM++ 2M"),
        ("--sampler_name k_euler_a", "sampler", "Euler a"),
        ("--sampler_name euler", "sampler", "Euler"),
        ("--styles 'one, two'", "styles", ("one", "two")),
        ("--tiling true", "tiling", True),
        ("--tiling True", "tiling", False),
        ("--do_not_save_grid false", "grid", True),
        ("--do_not_save_samples true", "save_images", False),
        ("--do_not_save_samples no", "save_images", True),
        ("--restore_faces false", "prompt", "a red apple"),
        ("--prompt_for_display x", "prompt", "a red apple"),
        ("--sampler_index 3", "sampler", "Euler"),
    ],
)
def test_options_of_a_line(play: Any, txt2img: Any, option: str, field: str, value: Any) -> None:
    first, second = play(TITLE, txt2img(save_images=True), lines(option, "plain")).asked
    assert getattr(first, field) == value
    assert second.steps == 4


def test_a_checkpoint_and_folders_are_options_of_that_line_alone(play: Any, txt2img: Any) -> None:
    line = "--sd_model oth --outpath_samples here --outpath_grids there"
    first, second = play(TITLE, txt2img(), lines(line, "plain")).asked
    keys = ("sd_model_checkpoint", "outdir_txt2img_samples", "outdir_txt2img_grids")
    assert [first.options[key] for key in keys] == ["other", "here", "there"]
    assert second.options["sd_model_checkpoint"] is None


def test_folders_of_img2img_are_its_own(play: Any, img2img: Any) -> None:
    (part,) = play(TITLE, img2img(), lines("--outpath_samples here")).asked
    assert part.options["outdir_img2img_samples"] == "here"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--steps many", "--steps cannot be 'many'"),
        ("--cfg_scale nan", "--cfg_scale cannot be 'nan'"),
        ("--steps", "--steps has no value"),
        ("--speed 3", "unknown option --speed"),
        ("--steps 3 4", "'4' is no option and follows none"),
        ("--sampler_name Magic", "--sampler_name cannot be 'Magic'"),
        ("--sd_model nothing", "Could not find checkpoint with name nothing"),
        ("--prompt \"it's", "No closing quotation"),
    ],
)
def test_a_wrong_line_is_named(play: Any, txt2img: Any, line: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        play(TITLE, txt2img(), lines("fine", line))
    (problem,) = caught.value.problems
    assert (problem.loc, problem.msg) == (("body", "script_args", 3), f"line 2: {reason}")


@pytest.mark.parametrize("line", ["a cat --speed 3", "it's --steps", "a --prompt b"])
def test_options_within_a_prompt_are_part_of_it(play: Any, txt2img: Any, line: str) -> None:
    (part,) = play(TITLE, txt2img(prompt=""), lines(line)).asked
    assert part.prompt == line


def test_face_restoration_is_refused_with_the_reason(play: Any, txt2img: Any) -> None:
    with pytest.raises(ApiError) as caught:
        play(TITLE, txt2img(), lines("--restore_faces true"))
    assert caught.value.status == 501


@pytest.mark.parametrize(
    "arguments", [[], lines("  ", ""), lines(*["x"] * 10_001), lines("x", position="left")]
)
def test_too_few_or_many_lines_and_a_wrong_place_are_refused(
    play: Any, txt2img: Any, arguments: list[Any]
) -> None:
    with pytest.raises(InvalidRequest):
        play(TITLE, txt2img(), arguments)


def test_seeds_stay_as_they_are(play: Any, txt2img: Any) -> None:
    assert play(TITLE, txt2img(), lines("a", "b")).each("seed") == [5, 5]
    assert play(TITLE, txt2img(seed=-1), lines("a", "b")).each("seed") == [-1, -1]


def test_seeds_count_up_by_the_pictures_of_a_request(play: Any, txt2img: Any) -> None:
    draft = txt2img(batch_size=2, n_iter=3)
    played = play(TITLE, draft, lines("a", "b --seed 1", "--seed 99", "c", iterate=True))
    assert played.each("seed") == [5, 11, 99, 23]


@pytest.mark.parametrize("boxes", [{"same": True}, {"iterate": True}])
def test_a_random_seed_is_drawn_once(play: Any, txt2img: Any, boxes: dict[str, bool]) -> None:
    first, second = play(TITLE, txt2img(seed=-1), lines("a", "b", **boxes)).each("seed")
    assert first >= 0
    assert second == first + ("iterate" in boxes)


def test_parts_are_the_batches_of_every_line(play: Any, txt2img: Any) -> None:
    played = play(TITLE, txt2img(n_iter=2), lines("a", "--n_iter 5", "b"))
    assert played.parts == [2, 5, 2]
    assert played.each("title") == ["1 out of 9", "3 out of 9", "8 out of 9"]


def test_info_tells_of_all_lines(play: Any, txt2img: Any) -> None:
    outcome = play(TITLE, txt2img(prompt=""), lines("a", "--prompt b --seed 9 --batch_size 2")).outcome
    assert outcome.info["all_prompts"] == ["a", "b", "b"]
    assert outcome.info["all_seeds"] == [5, 9, 10]
    assert outcome.info["seed"] == 5
    assert outcome.infotexts == outcome.info["infotexts"]
    assert len(outcome.infotexts) == len(outcome.pictures) == 3


def test_an_interrupted_job_shows_what_it_has(play: Any, txt2img: Any) -> None:
    outcome = play(TITLE, txt2img(), lines("a", "b", "c"), interrupted=1).outcome
    assert len(outcome.pictures) == len(outcome.infotexts) == 1
    outcome = play(TITLE, txt2img(), lines("a", "b"), interrupted=0).outcome
    assert (len(outcome.pictures), len(outcome.infotexts)) == (0, 1)
