"""TAESD: a tiny network in the VAE's place, quicker and coarser. Used where its files are present."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from sdapi_compat.backend.assembly import build_tiny
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.weights import Tensors, read_tensors
from sdapi_compat.errors import Fault

Part: TypeAlias = Literal["encoder", "decoder"]

PARTS: tuple[Part, ...] = ("encoder", "decoder")
SUFFIXES = (".safetensors", ".pth")
#: The published decoder begins with a step that has no weights; diffusers numbers layers without it.
FIRST_LAYER: dict[Part, int] = {"encoder": 0, "decoder": 1}


class _Loaded(NamedTuple):
    path: Path
    changed: int
    channels: int
    module: nn.Module


class TinyVae:
    """taesd_encoder and taesd_decoder, .safetensors or .pth, from the first of `folders` that has them.

    Its latents are the UNet's own: no scaling factor. Not thread-safe: the device thread owns it.
    """

    def __init__(self, folders: Sequence[Path], device: torch.device, dtype: torch.dtype) -> None:
        self._folders = tuple(folders)
        self._device = device
        self._dtype = dtype
        self._loaded: dict[Part, _Loaded] = {}

    def find(self, part: Part) -> Path | None:
        """The file of a part."""
        paths = (folder / f"taesd_{part}{suffix}" for folder in self._folders for suffix in SUFFIXES)
        return next((path for path in paths if path.is_file()), None)

    def require(self, part: Part) -> Path:
        """The file of a part. Raises Fault "FileNotFoundError" as A1111 1.10.1 does when it cannot get it."""
        path = self.find(part)
        if path is None:
            places = " and ".join(str(folder) for folder in self._folders)
            raise Fault("FileNotFoundError", f"TAESD model not found: no taesd_{part}.pth in {places}")
        return path

    def decode(self, latents: Tensor) -> Tensor:
        """(N, C, h, w) to float32 (N, 3, 8 h, 8 w), about [-1, 1]. Raises Fault for a missing or bad file."""
        return self._run("decoder", latents, latents.shape[1])

    def encode(self, images: Tensor, channels: int) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to float32 latents (N, `channels`, H/8, W/8). Raises Fault."""
        return self._run("encoder", images, channels)

    def _run(self, part: Part, values: Tensor, channels: int) -> Tensor:
        module = self._module(part, channels)
        ready = values.to(self._device, self._dtype)
        return torch.cat([module(one.unsqueeze(0)).float() for one in ready])

    def _module(self, part: Part, channels: int) -> nn.Module:
        path = self.require(part)
        changed = path.stat().st_mtime_ns
        loaded = self._loaded.get(part)
        if loaded is None or (loaded.path, loaded.changed, loaded.channels) != (path, changed, channels):
            loaded = _Loaded(path, changed, channels, self._load(path, part, channels))
            self._loaded[part] = loaded
        return loaded.module

    @torch.inference_mode(False)
    def _load(self, path: Path, part: Part, channels: int) -> nn.Module:
        try:
            module = build_tiny(part, channels, _renamed(part, read_tensors(path)), self._dtype)
        except (BadWeightFile, SafetensorError, OSError, ValueError, RuntimeError) as error:
            raise Fault("RuntimeError", f"Cannot load {path.name}: {error}") from error
        return module.to(self._device)


def _renamed(part: Part, tensors: Tensors) -> Tensors:
    """Tensors by diffusers' names of the part alone: "layers.3.conv.0.weight" for the published "4.conv...".

    Copies, not views of the mapped file: it is small, and may be written over. Raises ValueError for a name
    that belongs to neither.
    """
    own = {name: value for name, value in tensors.items() if name.startswith(f"{part}.")} or tensors
    return {_layer(part, name.removeprefix(f"{part}.")): value.clone() for name, value in own.items()}


def _layer(part: Part, name: str) -> str:
    if name.startswith("layers."):
        return name
    number, _, rest = name.partition(".")
    return f"layers.{int(number) - FIRST_LAYER[part]}.{rest}"
