"""TAESD files as they are published and as diffusers writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from safetensors.torch import save_file
from torch import Tensor

from sdapi_compat.backend.tiny_vae import Part, TinyVae
from sdapi_compat.errors import Fault

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> AutoencoderTiny:
    torch.manual_seed(3)
    return AutoencoderTiny().eval()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("VAE-taesd", "VAE-approx"):
        (tmp_path / name).mkdir()
    return tmp_path / "VAE-taesd", tmp_path / "VAE-approx"


def published(network: AutoencoderTiny, part: Part) -> dict[str, Tensor]:
    """The names of the published files: plain numbers, with the decoder's clamp as number 0."""
    shift = 1 if part == "decoder" else 0
    names = network.get_submodule(part).state_dict()
    found = {}
    for name, value in names.items():
        _, number, rest = name.split(".", 2)
        found[f"{int(number) + shift}.{rest}"] = value
    return found


def tiny(folders: tuple[Path, ...]) -> TinyVae:
    return TinyVae(folders, CPU, torch.float32)


def test_the_published_decoder(network: AutoencoderTiny, folders: tuple[Path, Path]) -> None:
    tensors = published(network, "decoder")
    assert "1.weight" in tensors
    assert "19.bias" in tensors
    torch.save(tensors, folders[0] / "taesd_decoder.pth")
    latents = torch.randn(2, 4, 3, 5) * 3
    with torch.inference_mode():
        images = tiny(folders).decode(latents)
        expected = network.decode(latents).sample
    assert images.shape == (2, 3, 24, 40)
    assert torch.allclose(images, expected, atol=1e-5)


def test_the_published_encoder(network: AutoencoderTiny, folders: tuple[Path, Path]) -> None:
    torch.save(published(network, "encoder"), folders[0] / "taesd_encoder.pth")
    images = torch.rand(2, 3, 24, 40) * 2 - 1
    with torch.inference_mode():
        latents = tiny(folders).encode(images, 4)
        expected = network.encode(images).latents
    assert torch.allclose(latents, expected, atol=1e-5)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize("whole", [True, False])
def test_diffusers_names(
    part: Part, whole: bool, network: AutoencoderTiny, folders: tuple[Path, Path]
) -> None:
    tensors = network.state_dict() if whole else network.get_submodule(part).state_dict()
    save_file(dict(tensors), folders[1] / f"taesd_{part}.safetensors")
    vae = tiny(folders)
    values = torch.zeros(1, 4, 2, 2) if part == "decoder" else torch.zeros(1, 3, 16, 16)
    found = vae.decode(values) if part == "decoder" else vae.encode(values, 4)
    with torch.inference_mode():
        assert torch.allclose(found, network.get_submodule(part)(values), atol=1e-5)


def test_latents_with_more_channels(folders: tuple[Path, Path]) -> None:
    wide = AutoencoderTiny(latent_channels=16)
    torch.save(published(wide, "decoder"), folders[0] / "taesd_decoder.pth")
    assert tiny(folders).decode(torch.zeros(1, 16, 2, 2)).shape == (1, 3, 16, 16)


def test_the_first_folder_and_safetensors_come_first(
    network: AutoencoderTiny, folders: tuple[Path, Path]
) -> None:
    vae = tiny(folders)
    assert vae.find("decoder") is None
    for path in (
        folders[1] / "taesd_decoder.safetensors",
        folders[0] / "taesd_decoder.pth",
        folders[0] / "taesd_decoder.safetensors",
    ):
        path.write_bytes(b"")
        assert vae.find("decoder") == path
    assert vae.find("encoder") is None


def test_without_a_file(folders: tuple[Path, Path]) -> None:
    with pytest.raises(Fault, match="TAESD model not found: no taesd_decoder") as caught:
        tiny(folders).decode(torch.zeros(1, 4, 2, 2))
    assert caught.value.name == "FileNotFoundError"


@pytest.mark.parametrize("content", [b"nonsense", b""])
def test_a_file_that_is_none(content: bytes, folders: tuple[Path, Path]) -> None:
    (folders[0] / "taesd_decoder.pth").write_bytes(content)
    with pytest.raises(Fault, match=r"Cannot load taesd_decoder\.pth") as caught:
        tiny(folders).decode(torch.zeros(1, 4, 2, 2))
    assert caught.value.name == "RuntimeError"


def test_a_file_of_another_network(network: AutoencoderTiny, folders: tuple[Path, Path]) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, folders[0] / "taesd_decoder.pth")
    with pytest.raises(Fault, match="Cannot load"):
        tiny(folders).decode(torch.zeros(1, 4, 2, 2))
    torch.save(published(network, "decoder"), folders[0] / "taesd_decoder.pth")
    with pytest.raises(Fault, match="another shape"):
        tiny(folders).decode(torch.zeros(1, 16, 2, 2))


def test_a_file_is_read_once_and_again_when_it_changes(
    network: AutoencoderTiny, folders: tuple[Path, Path]
) -> None:
    path = folders[0] / "taesd_decoder.pth"
    torch.save(published(network, "decoder"), path)
    vae = tiny(folders)
    before = vae.decode(torch.zeros(1, 4, 2, 2))
    stamp = path.stat().st_mtime_ns
    path.write_bytes(b"nonsense")
    os.utime(path, ns=(stamp, stamp))
    assert torch.equal(vae.decode(torch.zeros(1, 4, 2, 2)), before)
    os.utime(path, ns=(stamp + 10**9, stamp + 10**9))
    with pytest.raises(Fault):
        vae.decode(torch.zeros(1, 4, 2, 2))


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_networks_of_another_width(part: Part, folders: tuple[Path, Path]) -> None:
    torch.manual_seed(4)
    widths = (12,) * 4
    narrow = AutoencoderTiny(encoder_block_out_channels=widths, decoder_block_out_channels=widths).eval()
    torch.save(published(narrow, part), folders[0] / f"taesd_{part}.pth")
    values = torch.randn(1, 4, 2, 3) if part == "decoder" else torch.rand(1, 3, 16, 24) * 2 - 1
    vae = tiny(folders)
    found = vae.decode(values) if part == "decoder" else vae.encode(values, 4)
    with torch.inference_mode():
        assert torch.allclose(found, narrow.get_submodule(part)(values), atol=1e-5)


def test_a_first_layer_that_is_none(folders: tuple[Path, Path]) -> None:
    save_file({"layers.0.weight": torch.zeros(())}, folders[0] / "taesd_decoder.safetensors")
    with pytest.raises(Fault, match="Cannot load"):
        tiny(folders).decode(torch.zeros(1, 4, 2, 2))
