"""What a plan says of the latents, by a linear map: what is to be drawn while noise still hides all details.

A plan is a thumbnail of as many pixels as the latents of a 512 x 512 picture have cells, and the latents'
channels are nearly the colours there. So a least-squares fit on each pixel's neighbourhood comes close to
what can be known of the latents at high noise. As a target it spares the U-Net what scenes have by chance.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .autoencoder import pictures_to_tensor
from .layout import CODE, GRID, PART_SIDE, PARTS, SIDE, PartCode, planned_code
from .parts import Autoencoder
from .scenes import plain_scene, render, sample_topic
from .vocabulary import Concept

#: Share of the ridge term in the fit.
RIDGE = 1e-4
#: How far (squared, in latents) a cell may be from the background's colour and still take part in its tint.
TOLERANCE = 0.15
#: Cells of the frame that count as background.
FRAME = 2
#: Up to the first time the picture is the target, from the second on the reading; between them a mixture.
EARLIEST, LATEST = 150, 450
#: Mean square by which half of all readings differ from their backgrounds. Errors of fainter ones, such as
#: that of a pale thing on white, weigh more, up to so many times; of others less, down to one over as many.
USUAL_CONTRAST, MOST_WEIGHT = 0.4, 3.0
#: How much more errors in the thing count than those in the background.
THING = 2.0


def _pixels(code: PartCode, plans: Tensor) -> Tensor:
    """The thumbnails (n, 3, SIDE, SIDE) of ``plans`` (n, PARTS, CODE)."""
    parts = code.decode(plans).view(-1, GRID, GRID, PART_SIDE, PART_SIDE, 3)
    return parts.permute(0, 5, 1, 3, 2, 4).reshape(-1, 3, SIDE, SIDE)


def _patches(pixels: Tensor) -> Tensor:
    """Each pixel's neighbourhood and a constant: (n, cells, 28)."""
    patches = F.unfold(pixels, 3, padding=1).transpose(1, 2)
    return torch.cat([patches, torch.ones(*patches.shape[:2], 1)], dim=2)


def _frame_colour(latents: Tensor) -> Tensor:
    edges = (latents[:, :, :FRAME], latents[:, :, -FRAME:], latents[..., :FRAME], latents[..., -FRAME:])
    return torch.cat([edge.flatten(2) for edge in edges], dim=2).median(dim=2).values[:, :, None, None]


def tinted(reading: Tensor, latents: Tensor) -> Tensor:
    """``reading`` (n, 4, h, w) on the background of ``latents``: no words tell the tint, but noise may."""
    background = _frame_colour(reading)
    distance = (reading - background).square().sum(dim=1, keepdim=True)
    return reading + torch.exp(-distance / TOLERANCE) * (_frame_colour(latents) - background)


def importance(reading: Tensor) -> Tensor:
    """How much errors weigh where ``reading`` (n, 4, h, w) is to be drawn: (n, 1, h, w).

    They weigh more in the thing than around it, and more for a faint thing.
    """
    distance = (reading - _frame_colour(reading)).square().sum(dim=1, keepdim=True)
    contrast = distance.mean(dim=(2, 3), keepdim=True) / reading.shape[1]
    faintness = (USUAL_CONTRAST / contrast.clamp_min(1e-6)).clamp(1 / MOST_WEIGHT, MOST_WEIGHT)
    emphasis = 1 + THING * (1 - torch.exp(-distance / TOLERANCE))
    return faintness * emphasis / emphasis.mean(dim=(2, 3), keepdim=True)


def mixed(reading: Tensor, latents: Tensor, times: Tensor) -> Tensor:
    """The target at ``times`` (n,): ``reading`` at high noise, ``latents`` at low noise."""
    share = ((times - EARLIEST) / (LATEST - EARLIEST)).clamp(0, 1)[:, None, None, None]
    return share * reading + (1 - share) * latents


@dataclass(frozen=True)
class PlanReading:
    """The linear map: weights (28, 4) from a pixel's neighbourhood to a cell of scaled latents."""

    code: PartCode
    weights: Tensor

    @staticmethod
    def fitted(vae: Autoencoder, code: PartCode, concepts: list[Concept], samples: int = 200) -> PlanReading:
        """The map fitted to ``samples`` random plain scenes of 512 x 512 pixels."""
        rng = random.Random(5)
        width = 3 * 9 + 1
        gram, moment = torch.zeros(width, width), torch.zeros(width, 4)
        for _ in range(samples):
            topic = sample_topic(rng, concepts)
            pixels = pictures_to_tensor([render(plain_scene(topic), 8 * SIDE)])
            with torch.no_grad():
                latents = vae.encode(pixels).latent_dist.mean * vae.config.scaling_factor
            rows = _patches(_pixels(code, planned_code(code, topic)[None]))[0]
            gram += rows.T @ rows / len(rows)
            moment += rows.T @ latents[0].flatten(1).T / len(rows)
        gram += RIDGE * gram.diagonal().mean() * torch.eye(width)
        return PlanReading(code, torch.linalg.solve(gram.double(), moment.double()).float())

    def of(self, states: Tensor, height: int = SIDE, width: int = SIDE) -> Tensor:
        """Latents (n, 4, height, width) planned by text states (n, length, width of a state).

        There must be room for the plan after the words. It is for the middle square of the canvas; what is
        beyond goes on as its edges.
        """
        last = states[:, -PARTS:, :CODE]
        plans = last.roll(states.shape[1] % PARTS, dims=1)
        cells = _patches(_pixels(self.code, plans)) @ self.weights
        latents = cells.transpose(1, 2).reshape(-1, 4, SIDE, SIDE)
        side = min(height, width)
        if side != SIDE:
            latents = F.interpolate(latents, size=(side, side), mode="bicubic", antialias=True)
        left, top = (width - side) // 2, (height - side) // 2
        beyond = (left, width - side - left, top, height - side - top)
        return F.pad(latents, beyond, mode="replicate")
