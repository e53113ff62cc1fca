from __future__ import annotations

import contextlib
import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdapi_compat.errors import Fault
from sdapi_compat.options.policy import FreezePolicy
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.options.table import BY_KEY, TABLE

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
STORED = st.dictionaries(
    st.sampled_from([*BY_KEY, "unknown"]), SCALARS | st.lists(SCALARS, max_size=3), max_size=8
)


def test_reads_stored_value_else_default() -> None:
    snapshot = Snapshot({"samples_format": "webp"})
    assert snapshot["samples_format"] == "webp"
    assert snapshot["grid_format"] == "png"
    with pytest.raises(KeyError):
        snapshot["nope"]


def test_is_a_mapping_over_all_options_in_order() -> None:
    snapshot = Snapshot({"hide_samplers": ["LMS"], "samples_save": False})
    assert list(snapshot) == [option.key for option in TABLE]
    assert len(snapshot) == len(TABLE)
    assert "tiling" in snapshot
    assert "nope" not in snapshot


def test_typed_readers() -> None:
    snapshot = Snapshot(
        {
            "jpeg_quality": 90.7,
            "eta_ddim": "0.5",
            "tiling": "true",
            "hide_samplers": ["LMS"],
            "sd_vae": "a.pt",
        }
    )
    assert snapshot.integer("jpeg_quality") == 90
    assert snapshot.number("eta_ddim") == 0.5
    assert snapshot.flag("tiling") is True
    assert snapshot.names("hide_samplers") == ["LMS"]
    assert snapshot.text("sd_vae") == "a.pt"
    assert snapshot.text("sd_model_checkpoint") == ""
    assert snapshot["sd_model_checkpoint"] is None


def test_typed_readers_refuse_options_of_another_type() -> None:
    snapshot = Snapshot({})
    with pytest.raises(TypeError, match="samples_format"):
        snapshot.number("samples_format")
    with pytest.raises(TypeError, match="jpeg_quality"):
        snapshot.names("jpeg_quality")


def test_lists_handed_out_are_copies() -> None:
    snapshot = Snapshot({"hide_samplers": ["LMS"]})
    snapshot["hide_samplers"].append("x")
    snapshot.names("hide_samplers").append("y")
    assert snapshot["hide_samplers"] == ["LMS"]


def test_later_changes_of_the_given_mapping_do_not_show() -> None:
    stored = {"samples_format": "webp"}
    snapshot = Snapshot(stored)
    stored["samples_format"] = "png"
    assert snapshot["samples_format"] == snapshot.stored["samples_format"] == "webp"


def test_stored_values_of_the_wrong_type_read_as_something_usable() -> None:
    snapshot = Snapshot({"jpeg_quality": "95", "s_churn": ["x"], "tiling": "off", "sd_vae": None})
    assert snapshot["jpeg_quality"] == 95
    assert snapshot["s_churn"] == 0.0
    assert snapshot["tiling"] is False
    assert snapshot["sd_vae"] == "Automatic"
    assert snapshot.stored["s_churn"] == ["x"]


def test_defaults_of_the_installation_stand_between_table_and_file() -> None:
    defaults = {"outdir_save": "/data/log/images", "outdir_txt2img_samples": "/data/txt"}
    snapshot = Snapshot({"outdir_save": "/mine"}, defaults)
    assert snapshot["outdir_txt2img_samples"] == "/data/txt"
    assert snapshot["outdir_save"] == "/mine"
    assert snapshot.overlay({"tiling": True})["outdir_txt2img_samples"] == "/data/txt"
    assert "outdir_txt2img_samples" not in snapshot.stored
    assert list(snapshot) == [option.key for option in TABLE]


def test_overlay_is_a_new_snapshot_and_leaves_the_old_one() -> None:
    snapshot = Snapshot({"CLIP_stop_at_last_layers": 1})
    over = snapshot.overlay({"CLIP_stop_at_last_layers": 2, "eta_noise_seed_delta": "31337"})
    assert over.integer("CLIP_stop_at_last_layers") == 2
    assert over["eta_noise_seed_delta"] == 31337
    assert snapshot.integer("CLIP_stop_at_last_layers") == 1
    assert over.stored == {"CLIP_stop_at_last_layers": 2, "eta_noise_seed_delta": 31337}


def test_overlay_of_what_is_so_already_stores_nothing() -> None:
    snapshot = Snapshot({"jpeg_quality": 90})
    over = snapshot.overlay({"jpeg_quality": 90.0, "samples_format": "png"})
    assert dict(over) == dict(snapshot)
    assert over.stored == snapshot.stored
    assert snapshot.overlay({}) is snapshot


def test_what_a_request_named_is_known_whether_it_changes_anything_or_not() -> None:
    snapshot = Snapshot({"jpeg_quality": 90})
    over = snapshot.overlay({"jpeg_quality": 90, "tiling": True, "sd_vae": None})
    assert over.overridden == {"jpeg_quality", "tiling"}
    assert snapshot.overridden == frozenset()


def test_overlay_of_an_overlay() -> None:
    over = Snapshot({}).overlay({"sd_vae": "a.pt"}).overlay({"tiling": True})
    assert (over["sd_vae"], over["tiling"]) == ("a.pt", True)
    assert over.overridden == {"sd_vae", "tiling"}


def test_unknown_key_is_the_originals_key_error() -> None:
    with pytest.raises(Fault) as caught:
        Snapshot({}).overlay({"nope_opt": 1})
    assert caught.value.body() == {"error": "KeyError", "detail": "", "body": "", "errors": "'nope_opt'"}
    assert caught.value.status == 500


def test_unknown_key_with_null_or_its_stored_value_passes() -> None:
    snapshot = Snapshot({"ext_option": 3})
    assert snapshot.overlay({"nope": None, "ext_option": 3}) is snapshot
    with pytest.raises(Fault):
        snapshot.overlay({"ext_option": 4})


def test_null_leaves_an_option_alone() -> None:
    snapshot = Snapshot({"sd_model_checkpoint": "a.safetensors", "jpeg_quality": 90})
    assert snapshot.overlay({"sd_model_checkpoint": None, "jpeg_quality": None}) is snapshot


def test_null_is_a_value_of_the_img2img_upscaler() -> None:
    snapshot = Snapshot({"upscaler_for_img2img": "Lanczos"})
    assert snapshot.overlay({"upscaler_for_img2img": None})["upscaler_for_img2img"] is None


@pytest.mark.parametrize(
    "key", ["api_enable_requests", "api_forbid_local_requests", "api_useragent", "sd_vae_explanation"]
)
def test_restricted_options_and_explanations_are_passed_over(key: str) -> None:
    snapshot = Snapshot({})
    assert snapshot.overlay({key: "changed"}) is snapshot


def test_restricted_options_can_be_set_in_the_file() -> None:
    assert Snapshot({"api_forbid_local_requests": False})["api_forbid_local_requests"] is False


def test_impossible_value_is_an_error_that_names_the_option() -> None:
    with pytest.raises(Fault) as caught:
        Snapshot({}).overlay({"CLIP_stop_at_last_layers": "deep"})
    assert caught.value.name == "ValueError"
    assert "CLIP_stop_at_last_layers" in caught.value.message


@pytest.mark.parametrize(
    ("policy", "key", "words"),
    [
        (FreezePolicy(everything=True), "tiling", "--freeze-settings"),
        (FreezePolicy(sections=frozenset({"saving-images"})), "samples_format", "saving-images"),
        (FreezePolicy(keys=frozenset({"sd_vae"})), "sd_vae", "--freeze-specific-settings"),
    ],
)
def test_frozen_options(policy: FreezePolicy, key: str, words: str) -> None:
    snapshot = Snapshot({}, policy=policy)
    with pytest.raises(Fault) as caught:
        snapshot.overlay({key: "1"})
    assert caught.value.name == "AssertionError"
    assert key in caught.value.message
    assert words in caught.value.message
    assert snapshot.overlay({key: snapshot[key]}).stored == {}


def test_freezing_a_part_leaves_the_rest_free_and_outlives_overlays() -> None:
    snapshot = Snapshot({}, policy=FreezePolicy(sections=frozenset({"vae"})))
    over = snapshot.overlay({"tiling": True})
    assert over["tiling"] is True
    with pytest.raises(Fault):
        over.overlay({"sd_vae": "a.pt"})


def test_freezing_does_not_lock_the_hidden_section() -> None:
    snapshot = Snapshot({}, policy=FreezePolicy(sections=frozenset({"None", ""})))
    assert snapshot.overlay({"disable_all_extensions": "extra"})["disable_all_extensions"] == "extra"


def test_hidden_paths_are_passed_over_without_an_error() -> None:
    snapshot = Snapshot({}, policy=FreezePolicy(paths=True))
    over = snapshot.overlay({"outdir_save": "/etc", "directories_filename_pattern": "..", "tiling": True})
    assert over["outdir_save"] == "log/images"
    assert over["directories_filename_pattern"] == "[date]"
    assert over["tiling"] is True


def test_reply_shows_unset_options_as_declared() -> None:
    reply = Snapshot({}).as_reply()
    assert list(reply) == [option.key for option in TABLE]
    assert reply["jpeg_quality"] == 80
    assert type(reply["jpeg_quality"]) is int
    assert type(reply["img_downscale_threshold"]) is float
    assert reply["sd_model_checkpoint"] is None
    assert reply["quicksettings_list"] == ["sd_model_checkpoint"]


@pytest.mark.parametrize(
    ("key", "stored", "shown"),
    [
        ("jpeg_quality", 90, 90.0),
        ("CLIP_stop_at_last_layers", 1, 1.0),
        ("n_rows", -1, -1.0),
        ("eta_noise_seed_delta", 31337, 31337),
        ("samples_save", False, False),
        ("tiling", True, True),
        ("samples_format", "webp", "webp"),
        ("ui_tab_order", ["txt2img"], ["txt2img"]),
        ("hide_samplers", [], []),
    ],
)
def test_reply_types_of_set_options(key: str, stored: object, shown: object) -> None:
    value = Snapshot({key: stored}).as_reply()[key]
    assert value == shown
    assert type(value) is type(shown)


def test_reply_does_not_show_keys_that_are_no_options() -> None:
    assert "forge_preset" not in Snapshot({"forge_preset": "sd"}).as_reply()


@given(stored=STORED)
def test_any_config_file_gives_a_reply_that_can_be_sent_and_posted_back(stored: dict[str, Any]) -> None:
    before = copy.deepcopy(stored)
    snapshot = Snapshot(stored)
    reply = msgspec.json.decode(msgspec.json.encode(snapshot.as_reply()))
    assert snapshot.overlay(reply).stored == snapshot.stored
    assert repr(stored) == repr(before)


@given(changes=STORED)
def test_changes_that_are_accepted_stay(changes: dict[str, Any]) -> None:
    snapshot = Snapshot({})
    with contextlib.suppress(Fault):
        over = snapshot.overlay(changes)
        assert over.overlay(changes) is over
        assert over.overlay(over.as_reply()).stored == over.stored
        assert over.stored.keys() <= changes.keys()


@given(changes=STORED)
def test_only_unknown_keys_and_impossible_values_are_refused(changes: dict[str, Any]) -> None:
    names = {_refusal({key: value}) for key, value in changes.items()} - {None}
    assert names <= {"KeyError", "ValueError"}
    assert (_refusal(changes) is None) == (not names)


def _refusal(changes: dict[str, Any]) -> str | None:
    try:
        Snapshot({}).overlay(changes)
    except Fault as fault:
        return fault.name
    return None


def test_another_config_file_has_the_same_rules() -> None:
    policy = FreezePolicy(keys=frozenset({"samples_format"}))
    now = Snapshot({"samples_format": "webp", "jpeg_quality": 70}, {"outdir_save": "elsewhere"}, policy)
    then = now.with_stored({"jpeg_quality": 60})
    assert [then[key] for key in ("samples_format", "jpeg_quality", "outdir_save")] == [
        "png",
        60,
        "elsewhere",
    ]
    assert then.stored == {"jpeg_quality": 60}
    with pytest.raises(Fault):
        then.overlay({"samples_format": "jpg"})
