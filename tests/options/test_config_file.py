from __future__ import annotations

import errno
import json
import logging
from pathlib import Path

import pytest

from sdapi_compat.options import config_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def test_missing_file_is_empty(path: Path) -> None:
    assert config_file.read(path) == {}
    assert not path.exists()


def test_reads_what_it_wrote(path: Path) -> None:
    stored = {"samples_format": "webp", "unknown": {"a": [1, None]}, "font": "Grüße 日本"}
    config_file.write(path, stored)
    assert config_file.read(path) == stored


def test_file_is_indented_and_keeps_other_alphabets_readable(path: Path) -> None:
    config_file.write(path, {"font": "日本", "tiling": True})
    assert path.read_text(encoding="utf-8") == '{\n    "font": "日本",\n    "tiling": true\n}'


def test_reads_a_file_with_a_byte_order_mark(path: Path) -> None:
    path.write_bytes(b'\xef\xbb\xbf{"tiling": true}')
    assert config_file.read(path) == {"tiling": True}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe{}", b"[" * 200_000])
def test_corrupt_file_is_moved_aside(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert config_file.read(path) == {}
    assert not path.exists()
    assert path.with_name("config.json.corrupt").read_bytes() == content
    assert "config.json.corrupt" in caplog.text


def test_earlier_corrupt_files_are_kept(path: Path) -> None:
    for content in ("{1", "{2", "{3"):
        path.write_text(content)
        config_file.read(path)
    assert path.with_name("config.json.corrupt").read_text() == "{1"
    assert path.with_name("config.json.corrupt-2").read_text() == "{2"
    assert path.with_name("config.json.corrupt-3").read_text() == "{3"


def test_a_folder_in_its_place_is_an_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OSError, match=r"config\.json"):
        config_file.read(path)


def test_write_makes_missing_folders(tmp_path: Path) -> None:
    config_file.write(tmp_path / "a" / "b" / "config.json", {})
    assert (tmp_path / "a" / "b" / "config.json").read_text() == "{}"


def test_write_keeps_mode_and_leaves_nothing_behind(path: Path) -> None:
    path.write_text("{}")
    path.chmod(0o640)
    config_file.write(path, {"tiling": True})
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["config.json"]


def test_write_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "real.json"
    target.write_text("{}")
    link = tmp_path / "config.json"
    link.symlink_to(target)
    config_file.write(link, {"tiling": True})
    assert link.is_symlink()
    assert json.loads(target.read_text()) == {"tiling": True}


def test_failed_write_leaves_the_old_content(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.write(path, {"tiling": True})

    def fail(self: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(PermissionError):
        config_file.write(path, {"tiling": False})
    assert config_file.read(path) == {"tiling": True}
    assert [entry.name for entry in path.parent.iterdir()] == ["config.json"]


def test_value_that_json_cannot_hold_leaves_the_old_content(path: Path) -> None:
    config_file.write(path, {"tiling": True})
    with pytest.raises(TypeError):
        config_file.write(path, {"tiling": object()})
    assert config_file.read(path) == {"tiling": True}


def test_file_mounted_by_itself_is_written_in_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.write(path, {"tiling": True})
    inode = path.stat().st_ino

    def busy(self: Path, target: Path) -> None:
        raise OSError(errno.EBUSY, "mounted")

    monkeypatch.setattr(Path, "replace", busy)
    config_file.write(path, {"tiling": False})
    assert config_file.read(path) == {"tiling": False}
    assert path.stat().st_ino == inode
    assert [entry.name for entry in path.parent.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("old", "key", "value"),
    [
        ({"sd_vae_as_default": True}, "sd_vae_overrides_per_model_preferences", False),
        ({"sd_vae_as_default": False}, "sd_vae_overrides_per_model_preferences", True),
        ({"sd_vae_as_default": "false"}, "sd_vae_overrides_per_model_preferences", True),
        (
            {"quicksettings": "sd_model_checkpoint, sd_vae"},
            "quicksettings_list",
            ["sd_model_checkpoint", "sd_vae"],
        ),
        ({"ui_reorder": "seed,,cfg"}, "ui_reorder_list", ["seed", "cfg"]),
        ({"quicksettings": "a", "quicksettings_list": ["b"]}, "quicksettings_list", ["b"]),
        (
            {"sd_vae_as_default": True, "sd_vae_overrides_per_model_preferences": True},
            "sd_vae_overrides_per_model_preferences",
            True,
        ),
    ],
)
def test_old_names_are_migrated(path: Path, old: dict[str, object], key: str, value: object) -> None:
    path.write_text(json.dumps(old))
    content = config_file.read(path)
    assert content[key] == value
    assert old.items() <= content.items()


def test_nothing_is_migrated_out_of_nothing() -> None:
    assert config_file.migrated({"quicksettings": None, "sd_vae_as_default": None}) == {
        "quicksettings": None,
        "sd_vae_as_default": None,
    }
