"""The KL autoencoder (8x down, 4 channels): a start near the identity, and its training.

A plain random start spends most of its steps learning to pass colours through. Here both halves
start as "copy the local mean colour", with the last convolutions fitted by least squares, so that
training is left with the detail only.
"""

from __future__ import annotations

import csv
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.resnet import ResnetBlock2D
from PIL import Image
from torch import Tensor, nn

from .parts import Autoencoder, AutoencoderKL
from .scenes import render, sample_scene
from .vocabulary import Concept

CHANNELS = (8, 16, 48, 96)
#: A large constant channel keeps the group norms from removing the picture's own mean and contrast.
CONSTANT = 4.0
#: Share of the ridge term in the least-squares fits: without it huge weights cancel, and training explodes.
RIDGE = 1e-3
#: Standard deviation of the posterior, fixed: it makes the decoder tolerate imprecise latents.
POSTERIOR_STD = 0.05


def pictures_to_tensor(pictures: Sequence[Image.Image]) -> Tensor:
    """RGB pictures of one size as float32 (n, 3, height, width) in -1..1."""
    array = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
    return torch.from_numpy(array).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def psnr(first: Tensor, second: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of two pictures in -1..1 of equal shape."""
    error = float(F.mse_loss(first.clamp(-1, 1), second.clamp(-1, 1)))
    return float(10 * np.log10(4.0 / max(error, 1e-12)))


def _copy_taps(conv: nn.Conv2d, taps: Sequence[tuple[int, int]]) -> None:
    """Make the leading channels of ``conv`` means of the same input channels over ``taps``."""
    with torch.no_grad():
        shared = min(conv.in_channels, conv.out_channels)
        conv.weight[:shared] = 0.0
        conv.weight[shared:] *= 0.5
        assert conv.bias is not None
        conv.bias.zero_()
        for channel in range(shared):
            for row, column in taps:
                conv.weight[channel, channel, row, column] = 1.0 / len(taps)


def _start_residuals_at_zero(model: nn.Module) -> None:
    for block in model.modules():
        if isinstance(block, ResnetBlock2D):
            nn.init.zeros_(block.conv2.weight)
            if block.conv2.bias is not None:
                nn.init.zeros_(block.conv2.bias)
            # The constant makes the normalised colours small; this brings them back to about 1.
            nn.init.constant_(block.norm1.weight, 0.3 * CONSTANT)
            if block.conv_shortcut is not None:
                _copy_taps(block.conv_shortcut, [(0, 0)])


def _fit_last_conv(conv: nn.Conv2d, features: Tensor, target: Tensor) -> None:
    """Least-squares weights of a 3x3 ``conv`` that maps ``features`` to the first target channels."""
    patches = F.unfold(features, 3, padding=1)
    rows = patches.permute(0, 2, 1).reshape(-1, patches.shape[1])
    rows = torch.cat([rows, torch.ones(len(rows), 1)], dim=1).double()
    wanted = target.permute(0, 2, 3, 1).reshape(-1, target.shape[1]).double()
    gram = rows.T @ rows + RIDGE * len(rows) * torch.eye(rows.shape[1], dtype=torch.float64)
    solution = torch.linalg.solve(gram, rows.T @ wanted).float()
    with torch.no_grad():
        count = target.shape[1]
        conv.weight[:count] = solution[:-1].T.reshape(count, conv.in_channels, 3, 3)
        assert conv.bias is not None
        conv.bias[:count] = solution[-1]


def _features_before(model: nn.Module, last: nn.Module, inputs: Tensor) -> Tensor:
    kept: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _module, args: kept.append(args[0]))
    with torch.no_grad():
        model(inputs)
    hook.remove()
    return kept[0]


def whitened_means(pixels: Tensor) -> Tensor:
    """Mean colours of the 8x8 blocks as three uncorrelated channels of about unit variance."""
    means = F.avg_pool2d(pixels, 8)
    flat = means.permute(0, 2, 3, 1).reshape(-1, 3)
    centred = flat - flat.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    white: Tensor = centred @ vectors.flip(1) / values.flip(0).clamp_min(1e-4).sqrt()
    return white.reshape(means.shape[0], *means.shape[2:], 3).permute(0, 3, 1, 2)


def build(pixels: Tensor) -> Autoencoder:
    """An untrained autoencoder near the identity, fitted on ``pixels`` (n, 3, h, w) in -1..1."""
    torch.manual_seed(11)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=1,
        sample_size=512,
        mid_block_add_attention=False,
    )
    encoder, decoder = vae.encoder, vae.decoder
    _start_residuals_at_zero(vae)
    for conv in (encoder.conv_in, decoder.conv_in):
        _copy_taps(conv, [(1, 1)])
        with torch.no_grad():
            # The channel after the copied ones is the constant; every level has it.
            conv.weight[conv.in_channels] = 0.0
            conv.bias[conv.in_channels] = CONSTANT
    for block in encoder.down_blocks[:-1]:
        _copy_taps(block.downsamplers[0].conv, [(0, 0), (0, 1), (1, 0), (1, 1)])
    for block in decoder.up_blocks[:-1]:
        _copy_taps(block.upsamplers[0].conv, [(1, 1)])
    for half in (encoder, decoder):
        nn.init.constant_(half.conv_norm_out.weight, 0.3 * CONSTANT)
        nn.init.constant_(half.conv_norm_out.bias, 4.0)
    _fit(vae, pixels)
    return vae


def _fit(vae: Autoencoder, pixels: Tensor) -> None:
    identity = torch.eye(8)[:, :, None, None]
    with torch.no_grad():
        vae.quant_conv.weight.copy_(identity)
        vae.quant_conv.bias.zero_()
        vae.post_quant_conv.weight.copy_(identity[:4, :4])
        vae.post_quant_conv.bias.zero_()
        vae.encoder.conv_out.weight.mul_(0.3)
    features = _features_before(vae.encoder, vae.encoder.conv_out, pixels)
    _fit_last_conv(vae.encoder.conv_out, features, whitened_means(pixels))
    with torch.no_grad():
        vae.encoder.conv_out.weight[4:] = 0.0
        vae.encoder.conv_out.bias[4:] = 2 * float(np.log(POSTERIOR_STD))
        latents = vae.encode(pixels).latent_dist.mean
    features = _features_before(vae.decoder, vae.decoder.conv_out, latents)
    _fit_last_conv(vae.decoder.conv_out, features, pixels)


class CropPool:
    """Scenes kept in memory, of which random square crops are drawn."""

    def __init__(self, concepts: list[Concept], seed: int, count: int = 300) -> None:
        self._rng = random.Random(seed)
        self._concepts = concepts
        self._pictures: list[Tensor] = []
        for _ in range(count):
            self._pictures.append(self._fresh())

    def _fresh(self) -> Tensor:
        pixels = 512 if self._rng.random() < 0.8 else 256
        picture = render(sample_scene(self._rng, self._concepts), pixels)
        return (pictures_to_tensor([picture])[0] * 127.5 + 127.5).round().to(torch.uint8)

    def batch(self, size: int, side: int) -> Tensor:
        """Crops (size, 3, side, side) in -1..1; one picture of the pool is replaced at each call."""
        self._pictures[self._rng.randrange(len(self._pictures))] = self._fresh()
        crops = []
        for picture in self._rng.choices(self._pictures, k=size):
            top, left = (self._rng.randint(0, length - side) for length in picture.shape[1:])
            crops.append(picture[:, top : top + side, left : left + side])
        return torch.stack(crops).float() / 127.5 - 1.0


def _loss(vae: Autoencoder, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Training loss, and the plain squared error of pictures in -1..1."""
    with torch.no_grad():
        mean = vae.encode(pixels).latent_dist.mean
        mean = mean + torch.randn_like(mean) * (torch.rand(len(mean), 1, 1, 1) * 2 * POSTERIOR_STD)
    decoded = vae.decode(mean).sample
    error = F.mse_loss(decoded, pixels)
    # Squared error alone is content with blurred outlines; emoji live from theirs.
    edges = sum((decoded.diff(dim=axis) - pixels.diff(dim=axis)).abs().mean() for axis in (2, 3))
    return error + 0.1 * F.l1_loss(decoded, pixels) + 0.2 * edges, error


def train(concepts: list[Concept], work: Path, minutes: float, rate: float = 4e-4) -> None:
    """Train the decoder in ``work``/vae (built if missing); the loss goes to ``work``/vae.csv.

    The encoder stays as it was built, so that the diffusion model can be trained at the same time.
    """
    folder = work / "vae"
    pool = CropPool(concepts, seed=13)
    if not folder.exists():
        build(pool.batch(128, 128)).save_pretrained(folder)
    vae = AutoencoderKL.from_pretrained(folder).to(memory_format=torch.channels_last).train()
    parameters = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    start = time.monotonic()
    step = 0
    with (work / "vae.csv").open("a", newline="") as stream:
        log = csv.writer(stream)
        while (share := (time.monotonic() - start) / (60 * minutes)) < 1.0:
            optimizer.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 100, 2 * (1 - share) + 0.02)
            loss, error = _loss(vae, pool.batch(8, 128))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(parameters, 0.5)
            optimizer.step()
            step += 1
            if step % 20 == 0:
                decibel = 10 * math.log10(4.0 / float(error.detach()))
                seconds = int(time.monotonic() - start)
                log.writerow([step, f"{float(loss.detach()):.5f}", f"{decibel:.2f}", seconds])
                stream.flush()
            if step % 100 == 0:
                save_decoder(vae, folder)
    save_decoder(vae, folder)


def save_decoder(vae: Autoencoder, folder: Path) -> None:
    """Write the autoencoder so that no reader finds it half written."""
    draft = folder.with_name("vae.draft")
    vae.save_pretrained(draft)
    for file in draft.iterdir():
        file.replace(folder / file.name)
