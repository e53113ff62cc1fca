"""The table against data/options.json: what GET /sdapi/v1/options of a fresh 1.10.1 answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdapi_compat.options.option import WORKS, Option
from sdapi_compat.options.table import BY_KEY, TABLE

ORIGINAL = json.loads((Path(__file__).parent / "data" / "options.json").read_text(encoding="utf-8"))
ADDED_BY_INTERFACE = {
    "ldsr_steps": 100,
    "ldsr_cached": False,
    "SCUNET_tile": 256,
    "SCUNET_tile_overlap": 8,
    "SWIN_tile": 192,
    "SWIN_tile_overlap": 8,
    "SWIN_torch_compile": False,
    "hypertile_enable_unet": False,
    "hypertile_enable_unet_secondpass": False,
    "hypertile_max_depth_unet": 3,
    "hypertile_max_tile_unet": 256,
    "hypertile_swap_size_unet": 3,
    "hypertile_enable_vae": False,
    "hypertile_max_depth_vae": 3,
    "hypertile_max_tile_vae": 128,
    "hypertile_swap_size_vae": 3,
}
INFOTEXT_LABELS = {
    "face_restoration": "Face restoration",
    "sd_model_checkpoint": "Model hash",
    "emphasis": "Emphasis",
    "CLIP_stop_at_last_layers": "Clip skip",
    "randn_source": "RNG",
    "tiling": "Tiling",
    "hires_fix_refiner_pass": "Hires refiner",
    "sd_vae": "VAE",
    "sd_vae_encode_method": "VAE Encoder",
    "sd_vae_decode_method": "VAE Decoder",
    "inpainting_mask_weight": "Conditional mask weight",
    "initial_noise_multiplier": "Noise multiplier",
    "img2img_extra_noise": "Extra noise",
    "s_min_uncond": "NGMS",
    "s_min_uncond_all": "NGMS all steps",
    "token_merging_ratio": "Token merging ratio",
    "token_merging_ratio_hr": "Token merging ratio hr",
    "pad_cond_uncond": "Pad conds",
    "pad_cond_uncond_v0": "Pad conds v0",
    "use_old_scheduling": "Old prompt editing timelines",
    "use_downcasted_alpha_bar": "Downcast alphas_cumprod",
    "refiner_switch_by_sample_steps": "Refiner switch by sampling steps",
    "eta_ddim": "Eta DDIM",
    "eta_ancestral": "Eta",
    "s_churn": "Sigma churn",
    "s_tmin": "Sigma tmin",
    "s_tmax": "Sigma tmax",
    "s_noise": "Sigma noise",
    "sigma_min": "Schedule min sigma",
    "sigma_max": "Schedule max sigma",
    "rho": "Schedule rho",
    "eta_noise_seed_delta": "ENSD",
    "always_discard_next_to_last_sigma": "Discard penultimate sigma",
    "sgm_noise_multiplier": "SGM noise multiplier",
    "uni_pc_variant": "UniPC variant",
    "uni_pc_skip_type": "UniPC skip type",
    "uni_pc_order": "UniPC order",
    "uni_pc_lower_order_final": "UniPC lower order final",
    "sd_noise_schedule": "Noise Schedule",
    "skip_early_cond": "Skip Early CFG",
    "beta_dist_alpha": "Beta scheduler alpha",
    "beta_dist_beta": "Beta scheduler beta",
    "hypertile_enable_unet": "Hypertile U-Net",
    "hypertile_enable_vae": "Hypertile VAE",
}


def as_json(option: Option) -> object:
    return list(option.default) if isinstance(option.default, tuple) else option.default


def test_keys_are_the_originals_in_its_order_then_those_of_its_interface_mode() -> None:
    assert [option.key for option in TABLE] == [*ORIGINAL, *ADDED_BY_INTERFACE]
    assert len(ORIGINAL) == 312


def test_no_key_is_twice() -> None:
    assert len(BY_KEY) == len(TABLE) == 328


def test_no_key_makes_clients_take_us_for_another_server() -> None:
    assert not {"forge_preset", "forge_additional_modules", "sd_backend"} & BY_KEY.keys()


@pytest.mark.parametrize("option", TABLE, ids=lambda option: option.key)
def test_default_has_value_and_type_of_the_original(option: Option) -> None:
    expected = {**ORIGINAL, **ADDED_BY_INTERFACE}[option.key]
    assert type(as_json(option)) is type(expected)
    assert option.explanation or as_json(option) == expected


@pytest.mark.parametrize("option", TABLE, ids=lambda option: option.key)
def test_effect_is_said_honestly(option: Option) -> None:
    reasons = ("accepted, without effect: ", "accepted, without effect yet: ")
    assert option.effect == WORKS or any(option.effect.startswith(r) and option.effect != r for r in reasons)


@pytest.mark.parametrize("option", TABLE, ids=lambda option: option.key)
def test_every_setting_says_what_it_means(option: Option) -> None:
    assert bool(option.label) != option.explanation
    assert option.section.title


def test_infotext_labels() -> None:
    assert {o.key: o.infotext_label for o in TABLE if o.infotext_label} == INFOTEXT_LABELS


def test_restricted_and_explaining_options() -> None:
    assert {o.key for o in TABLE if o.restricted} == {
        "api_enable_requests",
        "api_forbid_local_requests",
        "api_useragent",
    }
    assert {o.key for o in TABLE if o.explanation} == {
        "profiling_explanation",
        "sd_vae_explanation",
        "infotext_explanation",
        "settings_in_ui",
    }


def test_every_output_folder_and_name_pattern_is_a_path() -> None:
    paths = {o.key for o in TABLE if o.path}
    assert {key for key in BY_KEY if key.startswith("outdir_")} < paths
    assert {"samples_filename_pattern", "directories_filename_pattern", "temp_dir"} < paths


def test_section_keys_that_command_lines_may_name() -> None:
    assert BY_KEY["samples_save"].section.key == "saving-images"
    assert BY_KEY["outdir_samples"].section.key == "saving-paths"
    assert BY_KEY["save_to_dirs"].section.key == "saving-to-dirs"
    assert BY_KEY["ESRGAN_tile"].section.key == "upscaling"
    assert BY_KEY["sd_model_checkpoint"].section.key == "sd"
    assert BY_KEY["eta_ddim"].section.key == "sampler-params"
    assert BY_KEY["disabled_extensions"].section.key is None


def test_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        BY_KEY["new"] = TABLE[0]  # type: ignore[index]
    with pytest.raises(AttributeError):
        TABLE[0].default = False  # type: ignore[misc]
