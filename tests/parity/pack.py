#!/usr/bin/env python3
"""Packs a folder of golden answers into `data/`: see README.md.

usage: python tests/parity/pack.py GOLDEN_FOLDER [DATA_FOLDER]
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LARGE = 300_000
PICTURE_FIELDS = ("init_images", "mask")


def pack(golden: Path, data: Path) -> None:
    """Write everything the parity tests need."""
    (data / "pictures").mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "styles.csv"):
        shutil.copyfile(golden / name, data / name)
    shutil.copytree(golden / "inputs", data / "inputs", dirs_exist_ok=True)
    pack_records(golden, data)
    pack_models(golden / "models", data)


def pack_records(golden: Path, data: Path) -> None:
    """requests.jsonl, one record per line; pictures sent are named instead of quoted."""
    names = {base64.b64encode(file.read_bytes()).decode(): file.name for file in golden.glob("inputs/*.png")}
    kept = ("id", "name", "endpoint", "request", "status", "parameters", "info", "images")
    with (data / "requests.jsonl").open("w", encoding="utf-8") as lines:
        for path in sorted(golden.glob("[0-9][0-9][0-9].json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            record["request"] = named(record["request"], names)
            lines.write(json.dumps({key: record[key] for key in kept}, ensure_ascii=False) + "\n")
            for picture in record["images"]:
                shutil.copyfile(golden / picture, data / "pictures" / picture)


def named(fields: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The fields with the base64 of every known picture replaced by its file name."""
    changed = dict(fields)
    for key in PICTURE_FIELDS:
        value = changed.get(key)
        if isinstance(value, list):
            changed[key] = [names[one] for one in value]
        elif isinstance(value, str):
            changed[key] = names[value]
    return changed


def pack_models(models: Path, data: Path) -> None:
    """Small files as they are; large ones as lists of parts, each distinct part stored once.

    weights.json: {"parts": [length, ...], "files": {path: {"sha256": ..., "parts": [number, ...]}}}.
    weights.xz: all parts one after the other.
    """
    numbers: dict[bytes, int] = {}
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(file for file in models.rglob("*") if file.is_file()):
        name = path.relative_to(models).as_posix()
        if path.stat().st_size < LARGE:
            target = data / "models" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            continue
        content = path.read_bytes()
        parts = [numbers.setdefault(part, len(numbers)) for part in tensors(content)]
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "parts": parts}
    layout = {"parts": [len(part) for part in numbers], "files": files}
    (data / "weights.json").write_text(json.dumps(layout) + "\n", encoding="utf-8")
    (data / "weights.xz").write_bytes(lzma.compress(b"".join(numbers), preset=9 | lzma.PRESET_EXTREME))


def tensors(content: bytes) -> Iterator[bytes]:
    """A safetensors file cut into its header and its tensors, in the order of their bytes."""
    (length,) = struct.unpack("<Q", content[:8])
    start = 8 + length
    header = json.loads(content[8:start])
    yield content[:start]
    ends = sorted(entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__")
    begin = 0
    for end in ends:
        yield content[start + begin : start + end]
        begin = end


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "data")
