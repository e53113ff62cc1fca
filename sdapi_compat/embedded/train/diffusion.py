"""The U-Net: v-prediction on SD1's schedule, with offset noise; resumable, with averaged weights."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
from .text import WIDTH, encode_captions
from .threads import ThreadChoice
from .vocabulary import Concept

CHANNELS = (16, 48, 96, 192)
#: Strength of the noise that is constant over a channel: lets the prompt, not the noise, set the mean colour.
OFFSET_NOISE = 0.12
#: Share of samples, and largest strength, of noise that resembles the picture: strong guidance
#: overshoots in just this direction, and the model must learn to come back from there.
OVERSHOOT_SHARE, OVERSHOOT = 0.15, 0.5
#: Below 1: more training at high noise, where the prompt decides what is drawn.
TIME_POWER = 0.85
EMA_DECAY = 0.999
SAVE_SECONDS = 150.0


@dataclass(frozen=True)
class Run:
    """One training run: latent side, batch size, minutes, and the learning rate's start and end."""

    side: int
    batch: int
    minutes: float
    rate: float
    last_rate: float


def build_unet() -> Unet:
    """An untrained U-Net: SD1's blocks, narrower, with attention on the two lower levels only."""
    torch.manual_seed(41)
    return UNet2DConditionModel(
        sample_size=64,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        # Few, wide groups: narrow ones would remove the picture's mean colours.
        norm_num_groups=4,
    )


def schedule() -> Scheduler:
    """SD1's noise schedule, with v-prediction."""
    return DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="v_prediction"
    )


def training_noise(latents: Tensor) -> Tensor:
    """Noise (n, 4, h, w) for ``latents`` of that shape: white, plus an offset, plus some overshoot."""
    count = len(latents)
    offset = torch.randn(count, latents.shape[1], 1, 1)
    chosen = (torch.rand(count, 1, 1, 1) < OVERSHOOT_SHARE).float()
    overshoot = chosen * OVERSHOOT * torch.rand(count, 1, 1, 1)
    return torch.randn_like(latents) + OFFSET_NOISE * offset + overshoot * latents


class Trainer:
    """The state of a training: models, optimizer, averaged weights, and the step count."""

    def __init__(self, work: Path, concepts: list[Concept]) -> None:
        self.work = work
        self.concepts = concepts
        self.vae = AutoencoderKL.from_pretrained(work / "vae").eval().to(memory_format=torch.channels_last)
        self.vae.register_to_config(scaling_factor=latent_scale(self.vae, concepts))
        self.tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
        self.encoder = CLIPTextModel.from_pretrained(work / "text_encoder").eval()
        self.unet = build_unet().to(memory_format=torch.channels_last)
        parameters = self.unet.parameters()
        self.optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.average = {name: value.detach().clone() for name, value in self.unet.state_dict().items()}
        self.alphas = schedule().alphas_cumprod
        self.step = 0
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

    def loss(self, latents: Tensor, captions: list[str]) -> Tensor:
        """Mean squared error of v at random times, for clean scaled ``latents`` (n, 4, h, w)."""
        with torch.no_grad():
            states = encode_captions(self.tokenizer, self.encoder, captions)
        times = (torch.rand(len(latents)).pow(TIME_POWER) * len(self.alphas)).long()
        signal = self.alphas[times].sqrt()[:, None, None, None]
        sigma = (1 - self.alphas[times]).sqrt()[:, None, None, None]
        noise = training_noise(latents)
        noisy = (signal * latents + sigma * noise).to(memory_format=torch.channels_last)
        predicted: Tensor = self.unet(noisy, times, states).sample
        return F.mse_loss(predicted, signal * noise - sigma * latents)

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
    trainer = Trainer(work, concepts)
    torch.manual_seed(51 + trainer.step)
    pool = LatentPool(trainer.vae, concepts, run.side, seed=51 + trainer.step)
    start = saved = time.monotonic()
    recent: list[float] = []
    threads = ThreadChoice()
    with (work / "diffusion.csv").open("a", newline="") as stream:
        log = csv.writer(stream)
        while (share := (time.monotonic() - start) / (60 * run.minutes)) < 1.0:
            threads.next_step()
            # Encoding costs nearly as much as training: a scene is used some sixteen times.
            if len(pool) < 6 * run.batch or trainer.step % 4 == 0:
                pool.renew(max(1, run.batch // 4), capacity)
            loss = trainer.loss(*pool.draw(run.batch))
            trainer.update(loss, run.rate + (run.last_rate - run.rate) * share)
            recent.append(float(loss.detach()))
            if trainer.step % 20 == 0:
                seconds = int(time.monotonic() - start)
                log.writerow([trainer.step, run.side, f"{sum(recent) / len(recent):.5f}", seconds])
                stream.flush()
                recent.clear()
            if time.monotonic() - saved > SAVE_SECONDS:
                trainer.save()
                saved = time.monotonic()
    trainer.save()
