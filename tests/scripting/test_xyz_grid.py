"""X/Y/Z plot: the table of axes, cells, grids, infotexts."""

from __future__ import annotations

from typing import Any

import pytest

from sdapi_compat.errors import Fault
from sdapi_compat.metadata import infotext
from tests.scripting.xyz import NOTHING, PLAIN, SEED, TITLE, arguments


def test_each_cell_has_the_values_of_its_place(play: Any, txt2img: Any) -> None:
    played = play(TITLE, txt2img(), arguments((4, "3, 4"), (6, "5-7"), (1, "1, 2")))
    assert played.parts == 12
    asked = [(part.seed, part.cfg_scale, part.steps) for part in played.asked]
    assert asked == [(seed, cfg, steps) for seed in (1, 2) for cfg in (5.0, 6.0, 7.0) for steps in (3, 4)]
    assert played.asked[4].title == "5 out of 12"


def test_what_is_slow_to_change_changes_last(play: Any, txt2img: Any) -> None:
    played = play(
        TITLE,
        txt2img(),
        arguments((11, "", ["small", "other"]), (4, "3, 4"), (29, "", ["None", "soft.safetensors"])),
    )
    asked = [
        (part.options["sd_model_checkpoint"], part.options["sd_vae"], part.steps) for part in played.asked
    ]
    vaes = ("None", "Soft.safetensors")
    assert asked == [(name, vae, steps) for name in ("small", "other") for vae in vaes for steps in (3, 4)]
    assert played.each("title") == [f"{number} out of 8" for number in (1, 3, 5, 7, 2, 4, 6, 8)]


def test_the_main_grid_comes_alone(play: Any, txt2img: Any, colour_of: Any) -> None:
    outcome = play(TITLE, txt2img(), arguments((1, "1-3"), (4, "3, 4"), **PLAIN)).outcome
    (sheet,) = outcome.pictures
    assert sheet.image.size == (192, 128)
    cells = [sheet.image.getpixel((64 * x, 64 * y)) for y in (0, 1) for x in (0, 1, 2)]
    assert cells == [colour_of(number) for number in range(6)]
    assert outcome.info["index_of_first_image"] == 1
    assert outcome.info["all_seeds"] == [1, 2, 3, 1, 2, 3]
    assert len(outcome.infotexts) == 7


def test_sub_grids_and_cells_follow_when_wanted(play: Any, txt2img: Any) -> None:
    everything = arguments((1, "1-3"), NOTHING, (4, "3, 4"), lone=True, sub_grids=True, **PLAIN)
    outcome = play(TITLE, txt2img(), everything).outcome
    sizes = [picture.image.size for picture in outcome.pictures]
    assert sizes == [(384, 64), (192, 64), (192, 64)] + [(64, 64)] * 6
    assert len(outcome.infotexts) == 9
    assert outcome.info["all_seeds"] == [1, 1, 1, 2, 3, 1, 2, 3]
    assert [picture.infotext for picture in outcome.pictures] == outcome.infotexts


def test_a_legend_makes_room_for_itself(play: Any, txt2img: Any) -> None:
    def size(*axes: Any, **flags: Any) -> Any:
        return play(TITLE, txt2img(), arguments(*axes, **flags)).outcome.pictures[0].image.size

    assert size((1, "1-3"))[0] == 192
    assert size((1, "1-3"))[1] > 64
    assert size(NOTHING, (1, "1-3")) == (64 + 48, 192)
    assert size((1, "1-3"), margin=10, draw_legend=False) == (192, 64)
    assert size((1, "1-3"), margin=10)[0] == 212


def test_infotexts_of_grids_tell_the_axes(play: Any, txt2img: Any) -> None:
    asked = arguments((1, "-1, 7"), (9, "", ["Euler", "DPM++ 2M"]), (6, "5-6 (+1)"), sub_grids=True)
    played = play(TITLE, txt2img(), asked)
    drawn = played.asked[0].seed
    main, sub = (infotext.parse(text).fields for text in played.outcome.infotexts[:2])
    axes = {
        "Script": "X/Y/Z plot",
        "X Type": "Seed",
        "X Values": "-1, 7",
        "Fixed X Values": f"{drawn}, 7",
        "Y Type": "Sampler",
        "Y Values": "Euler,DPM++ 2M",
    }
    first = {"Steps": "4", "Seed": str(drawn)}
    assert sub == first | axes | {"Version": "v1.10.1"}
    assert main == first | axes | {"Z Type": "CFG Scale", "Z Values": "5-6 (+1)", "Version": "v1.10.1"}
    assert played.outcome.infotexts[0].endswith(", Z Values: 5-6 (+1), Version: v1.10.1")


def test_seeds_of_minus_one_are_drawn_once_or_kept(play: Any, txt2img: Any) -> None:
    fixed = play(TITLE, txt2img(seed=-1), arguments((4, "3, 4"))).each("seed")
    assert fixed[0] == fixed[1] >= 0
    drawn = play(TITLE, txt2img(), arguments((1, "-1, -1, 3"))).each("seed")
    assert drawn[2] == 3
    assert -1 not in drawn
    kept = play(TITLE, txt2img(seed=-1), arguments((1, "-1, 3"), no_fixed=True))
    assert kept.each("seed") == [-1, 3]
    assert "Fixed" not in kept.outcome.infotexts[0]


@pytest.mark.parametrize(
    ("flags", "offsets"),
    [
        ({"vary_x": True}, [0, 1, 0, 1, 0, 1, 0, 1]),
        ({"vary_y": True}, [0, 0, 1, 1, 0, 0, 1, 1]),
        ({"vary_z": True}, [0, 0, 0, 0, 1, 1, 1, 1]),
        ({"vary_x": True, "vary_y": True, "vary_z": True}, list(range(8))),
        ({"vary_x": True, "vary_z": True}, [0, 1, 0, 1, 2, 3, 2, 3]),
    ],
)
def test_seeds_vary_along_the_sides_that_are_to(
    play: Any, txt2img: Any, flags: Any, offsets: list[int]
) -> None:
    played = play(TITLE, txt2img(), arguments((4, "3, 4"), (6, "5, 6"), (3, "0, 0.5"), **flags))
    assert played.each("seed") == [SEED + offset for offset in offsets]


TXT2IMG_AXES = [
    (2, "8", lambda part: part.subseed, 8),
    (3, "0.5", lambda part: part.subseed_strength, 0.5),
    (5, "8", lambda part: part.hires.steps, 8),
    (9, ["k_euler_a"], lambda part: part.sampler, "Euler a"),
    (10, ["heun"], lambda part: part.hires.sampler, "Heun"),
    (12, "1", lambda part: part.s_min_uncond, 1.0),
    (13, "1", lambda part: part.s_churn, 1.0),
    (14, "1", lambda part: part.s_tmin, 1.0),
    (15, "1", lambda part: part.s_tmax, 1.0),
    (16, "1", lambda part: part.s_noise, 1.0),
    (17, ["karras"], lambda part: part.scheduler, "Karras"),
    (17, ["Nonsense"], lambda part: part.scheduler, "Automatic"),
    (18, "0.1", lambda part: part.options["sigma_min"], 0.1),
    (19, "9", lambda part: part.options["sigma_max"], 9.0),
    (20, "5", lambda part: part.options["rho"], 5.0),
    (21, "0.7", lambda part: part.options["beta_dist_alpha"], 0.7),
    (22, "0.7", lambda part: part.options["beta_dist_beta"], 0.7),
    (23, "0.5", lambda part: part.eta, 0.5),
    (24, "2", lambda part: part.options["CLIP_stop_at_last_layers"], 2),
    (25, "0.3", lambda part: part.denoising_strength, 0.3),
    (26, "0.9", lambda part: part.picture, None),
    (27, "0.1", lambda part: part.options["img2img_extra_noise"], 0.1),
    (28, ["Lanczos"], lambda part: part.hires.upscaler, "Lanczos"),
    (29, ["automatic"], lambda part: part.options["sd_vae"], "Automatic"),
    (29, ["unknown"], lambda part: part.options["sd_vae"], "Automatic"),
    (30, ["one,two"], lambda part: part.styles, ("before", "one", "two")),
    (31, "2", lambda part: part.options["uni_pc_order"], 2),
    (31, "9", lambda part: part.options["uni_pc_order"], 3),
    (32, "false", lambda part: part.prompt, "a red apple"),
    (33, "0.5", lambda part: part.options["token_merging_ratio"], 0.5),
    (34, "0.5", lambda part: part.options["token_merging_ratio_hr"], 0.5),
    (35, ["True"], lambda part: part.options["always_discard_next_to_last_sigma"], True),
    (36, ["true"], lambda part: part.options["sgm_noise_multiplier"], True),
    (37, ["oth"], lambda part: part.refiner_checkpoint, "other"),
    (37, ["None"], lambda part: part.refiner_checkpoint, None),
    (38, "0.6", lambda part: part.refiner_switch_at, 0.6),
    (39, ["NV"], lambda part: part.options["randn_source"], "NV"),
    (40, ["Enable"], lambda part: part.options["fp8_storage"], "Enable"),
    (41, "128 x 64", lambda part: (part.width, part.height), (128, 64)),
]


def side(number: Any, value: Any) -> tuple[Any, ...]:
    return (number, value, None) if isinstance(value, str) else (number, "", value)


@pytest.mark.parametrize(("number", "value", "look", "expected"), TXT2IMG_AXES)
def test_axes_of_txt2img(play: Any, txt2img: Any, number: int, value: Any, look: Any, expected: Any) -> None:
    draft = txt2img(enable_hr=True, denoising_strength=0.7, styles=["before"])
    (part,) = play(TITLE, draft, arguments(side(number, value))).asked
    assert look(part) == expected


@pytest.mark.parametrize(
    ("number", "value", "look", "expected"),
    [
        ("Image CFG Scale", "1.2", lambda part: part.picture.image_cfg_scale, 1.2),
        ("Cond. Image Mask Weight", "0.4", lambda part: part.options["inpainting_mask_weight"], 0.4),
        ("Initial noise multiplier", "0.9", lambda part: part.picture.noise_multiplier, 0.9),
        (6, "1.2", lambda part: part.picture.image_cfg_scale, 1.2),
        (24, "0.3", lambda part: part.denoising_strength, 0.3),
    ],
)
def test_axes_of_img2img(play: Any, img2img: Any, number: Any, value: Any, look: Any, expected: Any) -> None:
    (part,) = play(TITLE, img2img(), arguments(side(number, value))).asked
    assert look(part) == expected


@pytest.mark.parametrize("number", [5, 10, 28])
def test_axes_of_the_second_pass_do_nothing_without_one(play: Any, txt2img: Any, number: int) -> None:
    value = "3" if number == 5 else ["Euler"]
    (part,) = play(TITLE, txt2img(), arguments(side(number, value))).asked
    assert part.hires is None


def test_search_and_replace(play: Any, txt2img: Any) -> None:
    draft = txt2img(prompt="a red apple, red", negative_prompt="dark red")
    first, second = play(TITLE, draft, arguments((7, 'red, "blue, pale"'))).asked
    assert (first.prompt, first.negative_prompt) == ("a red apple, red", "dark red")
    assert (second.prompt, second.negative_prompt) == ("a blue, pale apple, blue, pale", "dark blue, pale")
    with pytest.raises(Fault) as caught:
        play(TITLE, draft, arguments((7, "green, blue")))
    assert caught.value.body()["error"] == "RuntimeError"
    assert caught.value.message == "Prompt S/R did not find green in prompt or negative prompt."


def test_orders_of_words(play: Any, txt2img: Any) -> None:
    played = play(TITLE, txt2img(prompt="a (cat), dog and cow."), arguments((8, "dog, cow, cat")))
    assert played.each("prompt") == [
        "a (dog), cow and cat.",
        "a (dog), cat and cow.",
        "a (cow), dog and cat.",
        "a (cow), cat and dog.",
        "a (cat), dog and cow.",
        "a (cat), cow and dog.",
    ]
    with pytest.raises(Fault, match="did not find bird"):
        play(TITLE, txt2img(), arguments((8, "apple, bird")))


@pytest.mark.parametrize("kind", [9, "9", "Sampler", "sampler"])
@pytest.mark.parametrize(
    "values",
    [
        {"x": ("", ["Euler", "Heun"])},
        {"x": ("Euler, Heun", None)},
        {"x": ("Euler, Heun", [])},
        {"x": ("Euler, Heun", ["LMS"]), "csv": True},
    ],
)
def test_names_come_as_a_list_or_as_text(play: Any, txt2img: Any, kind: Any, values: dict[str, Any]) -> None:
    played = play(TITLE, txt2img(), arguments(**values | {"x": (kind, *values["x"])}))
    assert played.each("sampler") == ["Euler", "Heun"]


def test_cells_of_other_sizes_stand_in_the_middle(play: Any, txt2img: Any, colour_of: Any) -> None:
    sheet = play(TITLE, txt2img(), arguments((41, "64x64, 128x32"), **PLAIN)).outcome.pictures[0].image
    assert sheet.size == (256, 64)
    assert [sheet.getpixel((x, y)) for x, y in ((0, 0), (32, 0), (128, 0), (128, 16))] == [
        (255, 255, 255),
        colour_of(0),
        (255, 255, 255),
        colour_of(1),
    ]


def test_options_of_grids(play: Any, txt2img: Any) -> None:
    draft = txt2img({"return_grid": False, "grid_background_color": "#ff0000"}, batch_size=3)
    played = play(TITLE, draft, arguments((41, "64x64, 128x32"), **PLAIN))
    assert played.each("batch_size") == [1, 1]
    assert played.outcome.pictures[0].image.getpixel((0, 0)) == (255, 0, 0)
    with pytest.raises(Fault, match="grid_text_active_color"):
        play(TITLE, txt2img({"grid_text_active_color": "no colour"}), arguments((4, "3")))


@pytest.mark.parametrize(("sub_grids", "kept"), [(False, 1), (True, 3)])
def test_grids_are_kept(play: Any, txt2img: Any, sub_grids: bool, kept: int) -> None:
    asked = arguments((1, "1-2"), NOTHING, (4, "3, 4"), sub_grids=sub_grids)
    keep = play(TITLE, txt2img(save_images=True), asked).outcome.keep
    assert [one.grid for one in keep] == ["xyz_grid"] * kept
    assert all("Script: X/Y/Z plot" in (one.picture.infotext or "") for one in keep)
