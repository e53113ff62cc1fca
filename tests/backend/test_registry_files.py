from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from sdapi_compat.backend.registry_files import natural_key, walk, walk_checkpoints

SUFFIXES = frozenset({".ckpt", ".safetensors"})


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def _names(root: Path, **options: bool) -> list[str]:
    return [path.relative_to(root).as_posix() for path in walk(root, SUFFIXES, **options)]


def test_numbers_compare_as_numbers_and_case_does_not_count() -> None:
    assert sorted(["v10", "v9", "V1", "a"], key=natural_key) == ["a", "V1", "v9", "v10"]


@example(["model²", "²", "٣", "a", "3"])
@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_texts_can_be_sorted(texts: list[str]) -> None:
    assert len(sorted(texts, key=natural_key)) == len(texts)


def test_folder_by_folder_in_natural_order(tmp_path: Path) -> None:
    _touch(tmp_path, "b10.ckpt", "b9.CKPT", "sub2/a.safetensors", "sub10/a.ckpt", "notes.txt")
    assert _names(tmp_path) == ["b9.CKPT", "b10.ckpt", "sub2/a.safetensors", "sub10/a.ckpt"]


def test_hidden_folders_only_when_asked(tmp_path: Path) -> None:
    _touch(tmp_path, "a.ckpt", ".secret/b.ckpt")
    assert _names(tmp_path) == ["a.ckpt", ".secret/b.ckpt"]
    assert _names(tmp_path, list_hidden=False) == ["a.ckpt"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    _touch(tmp_path, "models/a.ckpt", "elsewhere/b.ckpt")
    (tmp_path / "models" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "models" / "loop").symlink_to(tmp_path / "models")
    assert _names(tmp_path / "models") == ["a.ckpt", "link/b.ckpt"]


def test_a_missing_folder_is_empty(tmp_path: Path) -> None:
    assert _names(tmp_path / "nowhere") == []


def test_diffusers_folders_count_as_one_entry(tmp_path: Path) -> None:
    _touch(
        tmp_path, "a.ckpt", "m/model_index.json", "m/unet/w.safetensors", "z.ckpt", "sub/n/model_index.json"
    )
    found = [path.relative_to(tmp_path).as_posix() for path in walk_checkpoints(tmp_path, SUFFIXES)]
    assert found == ["a.ckpt", "m", "z.ckpt", "sub/n"]
    assert _names(tmp_path) == ["a.ckpt", "z.ckpt"]
