from __future__ import annotations

import pytest

from sdapi_compat.options.infotext import LABELLED, infotext_overrides
from sdapi_compat.options.snapshot import Snapshot


@pytest.mark.parametrize(
    ("field", "text", "key", "value"),
    [
        ("Clip skip", "2", "CLIP_stop_at_last_layers", 2),
        ("ENSD", "31337", "eta_noise_seed_delta", 31337),
        ("Eta", "0.5", "eta_ancestral", 0.5),
        ("RNG", "NV", "randn_source", "NV"),
        ("VAE", "tinyvae.safetensors", "sd_vae", "tinyvae.safetensors"),
        ("Tiling", "True", "tiling", True),
        ("Pad conds", "anything", "pad_cond_uncond", True),
        ("Schedule max sigma", "20", "sigma_max", 20.0),
        ("UniPC lower order final", "False", "uni_pc_lower_order_final", False),
        ("Emphasis", "No norm", "emphasis", "No norm"),
    ],
)
def test_field_becomes_an_override_in_the_options_type(
    field: str, text: str, key: str, value: object
) -> None:
    found = infotext_overrides({field: text}, Snapshot({}))
    assert found == {key: value}
    assert type(found[key]) is type(value)


def test_values_that_are_so_already_are_left_out() -> None:
    snapshot = Snapshot({"CLIP_stop_at_last_layers": 2, "tiling": True})
    assert infotext_overrides({"Clip skip": "2", "Tiling": "True", "RNG": "GPU"}, snapshot) == {}


def test_false_turns_a_set_option_off() -> None:
    snapshot = Snapshot({"tiling": True, "pad_cond_uncond": True})
    assert infotext_overrides({"Tiling": "False", "Pad conds": ""}, snapshot) == {
        "tiling": False,
        "pad_cond_uncond": False,
    }


def test_checkpoint_is_taken_only_when_swapping_is_allowed() -> None:
    parameters = {"Model hash": "9772f43a29", "Model": "tinysd"}
    assert infotext_overrides(parameters, Snapshot({})) == {}
    swapping = Snapshot({"disable_weights_auto_swap": False})
    assert infotext_overrides(parameters, swapping) == {"sd_model_checkpoint": "9772f43a29"}


def test_fields_that_do_not_fit_are_left_out() -> None:
    assert (
        infotext_overrides({"Clip skip": "two", "Eta": "", "ENSD": None, "Sigma churn": []}, Snapshot({}))
        == {}
    )


def test_other_fields_and_numbers_that_were_parsed_already() -> None:
    assert infotext_overrides({"Steps": "20", "Seed": 1, "Clip skip": 3}, Snapshot({})) == {
        "CLIP_stop_at_last_layers": 3
    }


def test_overrides_can_be_laid_over_the_snapshot() -> None:
    snapshot = Snapshot({})
    parameters = {label: "0.25" for label, option in LABELLED if isinstance(option.default, float)}
    over = snapshot.overlay(infotext_overrides(parameters, snapshot))
    assert over.number("eta_ancestral") == over.number("s_noise") == over.number("rho") == 0.25


def test_labels_are_unique() -> None:
    assert len({label for label, _ in LABELLED}) == len(LABELLED)
