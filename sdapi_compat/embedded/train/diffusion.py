"""The U-Net: v-prediction on SD1's schedule, with offset noise; resumable, with averaged weights."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .captions import caption
from .guidance import HEADS, guide, teach_reading
from .layout import CODE, PARTS, PartCode, planned_code, planned_states
from .parts import (
    AutoencoderKL,
    CLIPTextModel,
    CLIPTokenizer,
    DDPMScheduler,
    Scheduler,
    Unet,
    UNet2DConditionModel,
)
from .pool import LatentPool, latent_scale
from .scenes import Topic
from .text import WIDTH, blank_caption, encode_captions
from .tokenizer import CONTEXT
from .vocabulary import Concept

CHANNELS = (16, 48, 96, 192)
#: Strength of the noise that is constant over a channel: lets the prompt, not the noise, set the mean colour.
OFFSET_NOISE = 0.12
#: Sides in latents of squares that share some noise, and how strong that is at most. While sampling, what the
#: model got wrong in earlier steps looks like this; it must learn to trust the prompt, not what it sees.
SQUARES, BLOTCHES = (2, 4, 8), 0.5
#: Share of samples, and largest strength, of noise that resembles the picture: strong guidance
#: overshoots in just this direction, and the model must learn to come back from there.
OVERSHOOT_SHARE, OVERSHOOT = 0.15, 0.5
#: Below 1: more training at high noise, where the prompt decides what is drawn.
TIME_POWER = 0.6
#: Weight of the lesson where to look (:mod:`.guidance`).
LOOK_WEIGHT = 0.1
#: Share of samples whose caption asks for nothing, which classifier-free guidance needs.
BLANK_SHARE = 0.1
#: What is trained towards the picture is the prediction at this guidance scale. A model whose plain
#: prediction is right overshoots sixfold in every step at A1111's default scale of 7, which spoils colours;
#: at scales of less than twice this one, details that the seed made up are not drawn over.
GUIDANCE = 3.0
EMA_DECAY = 0.999
SAVE_SECONDS = 150.0
#: Shapes of latents (height, width) beside the square one, and the share of batches that have them.
OTHER_SHAPES, OTHER_SHARE = ((64, 48), (48, 64), (32, 32), (96, 64), (64, 96), (48, 48)), 0.12


@dataclass(frozen=True)
class Run:
    """One training run: latent side, batch size, minutes, and the learning rate's start and end.

    With ``planned`` the text encoder is not asked: the U-Net sees the plans that it is to write
    (:mod:`.layout`), so that both can be trained at the same time.
    """

    side: int
    batch: int
    minutes: float
    rate: float
    last_rate: float
    planned: bool = False


def build_unet(code: PartCode | None = None) -> Unet:
    """An untrained U-Net: SD1's blocks, narrower, with attention on the two lower levels only.

    With ``code`` its text attention can read plans, though it does not know yet where to look.
    """
    torch.manual_seed(41)
    unet = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        # diffusers takes this number for that of heads.
        attention_head_dim=HEADS,
        # Few, wide groups: narrow ones would remove the picture's mean colours.
        norm_num_groups=4,
    )
    if code is not None:
        teach_reading(unet, code)
    return unet


def schedule() -> Scheduler:
    """SD1's noise schedule, with v-prediction."""
    return DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="v_prediction"
    )


def training_noise(latents: Tensor) -> Tensor:
    """Noise (n, 4, h, w) for ``latents`` of that shape: white, plus an offset, blotches, and some overshoot.

    Blotches are the multi-resolution noise of Whitaker, "Multi-Resolution Noise for Diffusion Model Training"
    (2023), at random strengths.
    """
    count, channels, height, width = latents.shape
    offset = torch.randn(count, channels, 1, 1)
    strength = BLOTCHES * torch.rand(count, 1, 1, 1)
    blotches = torch.zeros_like(latents)
    for side in SQUARES:
        coarse = torch.randn(count, channels, -(-height // side), -(-width // side))
        blotches += F.interpolate(coarse, size=(height, width))
    chosen = (torch.rand(count, 1, 1, 1) < OVERSHOOT_SHARE).float()
    overshoot = chosen * OVERSHOOT * torch.rand(count, 1, 1, 1)
    white = torch.randn_like(latents)
    return white + OFFSET_NOISE * offset + strength * blotches + overshoot * latents


def guided(predicted: Tensor, without: Tensor, scale: float | Tensor) -> Tensor:
    """Classifier-free guidance: ``predicted`` with its difference from ``without`` a prompt scaled."""
    return without + scale * (predicted - without)


class Trainer:
    """The state of a training: models, optimizer, averaged weights, and the step count."""

    def __init__(self, work: Path, concepts: list[Concept], planned: bool = False) -> None:
        self.work = work
        self.concepts = concepts
        self.vae = AutoencoderKL.from_pretrained(work / "vae").eval().to(memory_format=torch.channels_last)
        self.vae.register_to_config(scaling_factor=latent_scale(self.vae, concepts))
        self.code = PartCode.loaded(work / "layout.pt", concepts)
        self.planned = planned
        if not planned:
            self.tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
            self.encoder = CLIPTextModel.from_pretrained(work / "text_encoder").eval()
        self.unet = build_unet(self.code).to(memory_format=torch.channels_last)
        self.attention = guide(self.unet)
        parameters = self.unet.parameters()
        self.optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.average = {name: value.detach().clone() for name, value in self.unet.state_dict().items()}
        self.alphas = schedule().alphas_cumprod
        self.step = 0
        self.error = self.miss = 0.0
        self.rng = random.Random(self.step)
        if self.path.exists():
            self._load()

    @property
    def path(self) -> Path:
        """The file that training goes on from."""
        return self.work / "diffusion.pt"

    def _load(self) -> None:
        state = torch.load(self.path, weights_only=True)
        self.unet.load_state_dict(state["unet"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average, self.step = state["average"], state["step"]
        self.vae.register_to_config(scaling_factor=state["scaling_factor"])

    def save(self) -> None:
        """Write the state to :attr:`path`, never leaving a half-written file there."""
        state = {
            "unet": self.unet.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "scaling_factor": self.vae.config.scaling_factor,
        }
        draft = self.path.with_suffix(".tmp")
        torch.save(state, draft)
        draft.replace(self.path)

    def states(self, topics: Sequence[Topic | None]) -> Tensor:
        """Text states (n, CONTEXT, WIDTH) of captions for ``topics``; those of None ask for nothing."""
        if self.planned:
            nothing = torch.zeros(PARTS, CODE)
            plans = [nothing if topic is None else planned_code(self.code, topic) for topic in topics]
            first = torch.tensor([self.rng.randint(2, 24) for _ in topics])
            return planned_states(torch.stack(plans), first, CONTEXT, WIDTH)
        captions = [
            blank_caption(self.rng) if topic is None else caption(self.rng, topic) for topic in topics
        ]
        with torch.no_grad():
            return encode_captions(self.tokenizer, self.encoder, captions)

    def loss(self, latents: Tensor, topics: Sequence[Topic]) -> Tensor:
        """The training loss at random times, for clean scaled ``latents`` (n, 4, h, w); :attr:`error` and
        :attr:`miss` then hold the mean squared error of v, and how far attention looks elsewhere."""
        asked = torch.rand(len(latents)) >= BLANK_SHARE
        times = (torch.rand(len(latents)).pow(TIME_POWER) * len(self.alphas)).long()
        signal = self.alphas[times].sqrt()[:, None, None, None]
        sigma = (1 - self.alphas[times]).sqrt()[:, None, None, None]
        noise = training_noise(latents)
        noisy = (signal * latents + sigma * noise).to(memory_format=torch.channels_last)
        self.attention.latent_shape = (latents.shape[2], latents.shape[3])
        without = torch.zeros_like(noisy)
        if asked.any():
            with torch.no_grad():
                blank = self.states([None] * int(asked.sum()))
                without[asked] = self.unet(noisy[asked], times[asked], blank).sample
        self.attention.misses.clear()
        states = self.states([topic if wanted else None for topic, wanted in zip(topics, asked, strict=True)])
        predicted: Tensor = self.unet(noisy, times, states).sample
        scale = torch.where(asked, GUIDANCE, 1.0)[:, None, None, None]
        squared = (guided(predicted, without, scale) - (signal * noise - sigma * latents)).square()
        miss = torch.stack(self.attention.misses).mean()
        self.error, self.miss = float(squared.detach().mean()), float(miss.detach())
        # Errors count as they are; their gradients would count GUIDANCE-fold.
        loss: Tensor = (squared / scale).mean() + LOOK_WEIGHT * miss
        return loss

    def update(self, loss: Tensor, rate: float) -> None:
        """One optimizer step at learning rate ``rate``, and the averages after it."""
        warm = min(1.0, (self.step + 1) / 100)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * warm
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        current = self.unet.state_dict()
        torch._foreach_lerp_(list(self.average.values()), [current[name] for name in self.average], 1 - decay)


def train(concepts: list[Concept], work: Path, run: Run, capacity: int = 1500) -> None:
    """Train for ``run.minutes`` from where ``work`` stands; the loss goes to ``work``/diffusion.csv."""
    trainer = Trainer(work, concepts, run.planned)
    torch.manual_seed(51 + trainer.step)
    shapes = ((run.side, run.side), *OTHER_SHAPES)
    pools = [LatentPool(trainer.vae, concepts, shape, seed=51 + trainer.step) for shape in shapes]
    start = saved = time.monotonic()
    recent: list[tuple[float, float]] = []
    with (work / "diffusion.csv").open("a", newline="") as stream:
        log = csv.writer(stream)
        while (share := (time.monotonic() - start) / (60 * run.minutes)) < 1.0:
            usual = trainer.rng.random() >= OTHER_SHARE
            pool = pools[0] if usual else trainer.rng.choice(pools[1:])
            # Encoding costs nearly as much as training: a scene is used some sixteen times.
            if len(pool) < 6 * run.batch or trainer.rng.random() < 0.25:
                pool.renew(max(1, run.batch // 4), capacity if usual else capacity // 10)
            loss = trainer.loss(*pool.draw(run.batch))
            trainer.update(loss, run.rate + (run.last_rate - run.rate) * share)
            recent.append((trainer.error, trainer.miss))
            if trainer.step % 20 == 0:
                seconds = int(time.monotonic() - start)
                error, miss = (sum(values) / len(recent) for values in zip(*recent, strict=True))
                log.writerow([trainer.step, run.side, f"{error:.5f}", f"{miss:.4f}", seconds])
                stream.flush()
                recent.clear()
            if time.monotonic() - saved > SAVE_SECONDS:
                trainer.save()
                saved = time.monotonic()
    trainer.save()
