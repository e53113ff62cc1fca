from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from sdapi_compat.errors import Fault
from sdapi_compat.options.policy import FreezePolicy
from sdapi_compat.options.store import OptionsStore

FULL = json.loads((Path(__file__).parent / "data" / "options.json").read_text(encoding="utf-8"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def on_disk(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_fresh_store_has_defaults_and_writes_nothing(path: Path) -> None:
    assert OptionsStore(path).snapshot()["samples_format"] == "png"
    assert not path.exists()


def test_update_shows_saves_and_survives_a_restart(path: Path) -> None:
    store = OptionsStore(path)
    new = store.update({"samples_format": "webp", "jpeg_quality": "91"})
    assert new is store.snapshot()
    assert on_disk(path) == {"samples_format": "webp", "jpeg_quality": 91}
    again = OptionsStore(path).snapshot()
    assert (again["samples_format"], again["jpeg_quality"]) == ("webp", 91)


def test_earlier_snapshots_do_not_change(path: Path) -> None:
    store = OptionsStore(path)
    before = store.snapshot()
    store.update({"tiling": True})
    assert before["tiling"] is False


@pytest.mark.parametrize("bad", [{"nope": 1}, {"CLIP_stop_at_last_layers": "x"}, {"sd_vae": ["a"]}])
def test_refused_update_changes_nothing_at_all(path: Path, bad: dict[str, object]) -> None:
    store = OptionsStore(path)
    before = store.snapshot()
    with pytest.raises(Fault):
        store.update({"tiling": True, **bad, "samples_format": "webp"})
    assert store.snapshot() is before
    assert not path.exists()


def test_update_without_change_leaves_the_file(path: Path) -> None:
    path.write_text('{"samples_format":"webp"}')
    store = OptionsStore(path)
    assert store.update({"samples_format": "webp", "tiling": False, "api_useragent": "x"}) is store.snapshot()
    assert path.read_text() == '{"samples_format":"webp"}'


def test_keys_of_other_programs_are_kept(path: Path) -> None:
    path.write_text('{"some_extension": {"a": 1}, "tiling": true}')
    OptionsStore(path).update({"tiling": False})
    assert on_disk(path) == {"some_extension": {"a": 1}, "tiling": False}


@pytest.mark.parametrize("content", [{}, FULL, {"jpeg_quality": "85", "s_churn": [], "font": None, "x": 1}])
def test_posting_everything_back_changes_nothing(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content))
    store = OptionsStore(path)
    before = store.snapshot()
    reply = json.loads(json.dumps(before.as_reply()))
    assert store.update(reply) is before
    assert on_disk(path) == content


def test_posting_everything_back_with_one_change(path: Path) -> None:
    store = OptionsStore(path)
    store.update({**store.snapshot().as_reply(), "sd_model_checkpoint": "other.safetensors"})
    assert on_disk(path) == {"sd_model_checkpoint": "other.safetensors"}


def test_posting_everything_back_passes_on_a_frozen_server(path: Path) -> None:
    store = OptionsStore(path, FreezePolicy(everything=True))
    store.update(store.snapshot().as_reply())
    with pytest.raises(Fault) as caught:
        store.update({"tiling": True})
    assert caught.value.name == "AssertionError"


def test_options_named_by_the_file_of_the_original_are_read(path: Path) -> None:
    path.write_text(json.dumps({**FULL, "sd_vae": "x.pt", "jpeg_quality": 70.0, "quicksettings": "a"}))
    snapshot = OptionsStore(path).snapshot()
    assert (snapshot["sd_vae"], snapshot["jpeg_quality"]) == ("x.pt", 70)


def test_record_shows_at_once_and_is_saved_with_the_next_update(path: Path) -> None:
    store = OptionsStore(path, FreezePolicy(keys=frozenset({"sd_model_checkpoint"})))
    store.record({"sd_model_checkpoint": "a.safetensors [0123456789]"})
    assert store.snapshot()["sd_model_checkpoint"] == "a.safetensors [0123456789]"
    assert not path.exists()
    store.update({"tiling": True})
    assert on_disk(path) == {"sd_model_checkpoint": "a.safetensors [0123456789]", "tiling": True}


def test_record_takes_options_only(path: Path) -> None:
    with pytest.raises(KeyError, match="nope"):
        OptionsStore(path).record({"nope": 1})


def test_failed_save_changes_nothing(tmp_path: Path) -> None:
    store = OptionsStore(tmp_path / "config.json")
    before = store.snapshot()
    (tmp_path / "config.json").mkdir()
    with pytest.raises(OSError, match=r"config\.json"):
        store.update({"tiling": True})
    assert store.snapshot() is before


def test_defaults_of_the_installation(path: Path) -> None:
    store = OptionsStore(path, defaults={"outdir_save": "/data/log/images"})
    store.update({"tiling": True})
    assert store.snapshot()["outdir_save"] == "/data/log/images"
    assert on_disk(path) == {"tiling": True}


def test_concurrent_updates_all_count_and_readers_see_whole_states(path: Path) -> None:
    store = OptionsStore(path)
    torn: list[tuple[object, object]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            snapshot = store.snapshot()
            if snapshot["sigma_min"] != snapshot["sigma_max"]:
                torn.append((snapshot["sigma_min"], snapshot["sigma_max"]))

    def write(key: str, number: int) -> None:
        for step in range(1, 6):
            store.update({key: number + step, "sigma_min": number * step, "sigma_max": number * step})

    keys = ["jpeg_quality", "n_rows", "SWIN_tile", "ldsr_steps"]
    writers = [threading.Thread(target=write, args=(key, 100 * i + 100)) for i, key in enumerate(keys)]
    reader = threading.Thread(target=read)
    reader.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert torn == []
    assert [store.snapshot()[key] for key in keys] == [105, 205, 305, 405]
    assert OptionsStore(path).snapshot().as_reply() == store.snapshot().as_reply()
