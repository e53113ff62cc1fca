"""The U-Net: v-prediction on SD1's schedule, guided as it will be used; resumable, with averaged weights."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .captions import caption
from .guidance import HEADS, guide, teach_reading
from .layout import CODE, PARTS, PartCode, planned_code, planned_states
from .noise import guided, noised, velocity
from .optimizer import HiddenOptimizer, falling
from .parts import AutoencoderKL, CLIPTextModel, CLIPTokenizer, Unet, UNet2DConditionModel
from .pool import USUAL, Scenes, latent_scale
from .reading import PlanReading, importance, mixed, tinted
from .scenes import Topic
from .text import WIDTH, blank_caption, encode_captions
from .tokenizer import CONTEXT
from .vocabulary import Concept
from .walks import Start, Walks

CHANNELS = (32, 48, 96, 192)
#: Below 1: more training at high noise, where the prompt decides what is drawn.
TIME_POWER = 0.6
#: Weight of the lesson where to look (:mod:`.guidance`).
LOOK_WEIGHT = 0.3
#: Share of samples whose caption asks for nothing, which classifier-free guidance needs.
BLANK_SHARE = 0.1
#: What is trained towards the picture is the prediction at this guidance scale, A1111's default. A model
#: whose plain prediction is right overshoots sixfold in every step at that scale, which spoils colours.
GUIDANCE = 7.0
EMA_DECAY = 0.998
SAVE_SECONDS = 240.0
#: Share of places on walks in a batch.
WALK_SHARE = 0.75


@dataclass(frozen=True)
class Run:
    """One training run: batch size at the usual shape, minutes, the learning rate's start and end, and the
    share of batches of other shapes.

    With ``planned`` the text encoder is not asked: the U-Net sees the plans that it is to write
    (:mod:`.layout`), so that both can be trained at the same time.
    """

    batch: int
    minutes: float
    rate: float
    last_rate: float
    other_share: float = 0.2
    planned: bool = False


@dataclass(frozen=True)
class Lesson:
    """Samples to learn from: noisy latents (n, 4, h, w), times (n,), text states (n, length, width), what is
    to be drawn (n, 4, h, w), the guidance scales at which it is (n,), and how much errors of v count
    (n, 1, h, w)."""

    noisy: Tensor
    times: Tensor
    states: Tensor
    clean: Tensor
    scales: Tensor
    weights: Tensor

    def and_more(self, other: Lesson) -> Lesson:
        """Both, in one batch."""
        mine, others = vars(self), vars(other)
        return Lesson(**{name: torch.cat([mine[name], others[name]]) for name in mine})


def build_unet(code: PartCode | None = None) -> Unet:
    """An untrained U-Net: SD1's blocks, narrower, with attention on the lower levels only.

    On the 32 x 32 level cells attend to the text alone. On the way down there is attention on one level only:
    cells there do not know yet where they are. With ``code`` its text attention can read plans, though it
    does not know yet where to look.
    """
    torch.manual_seed(41)
    unet = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        only_cross_attention=(False, True, False, False),
        cross_attention_dim=WIDTH,
        # diffusers takes this number for that of heads.
        attention_head_dim=HEADS,
        # Few, wide groups: narrow ones would remove the picture's mean colours.
        norm_num_groups=4,
    )
    if code is not None:
        teach_reading(unet, code)
    return unet


def is_hidden(name: str, weight: nn.Parameter) -> bool:
    """Whether Muon suits a weight of the U-Net: a matrix, not at its borders, nor one that decides looks."""
    borders = ("conv_in", "conv_out", "time_emb", ".to_q", ".to_k")
    return weight.ndim > 1 and not any(part in name for part in borders)


class Trainer:
    """The state of a training: models, optimizer, averaged weights, and the step count.

    ``work`` holds it as ``diffusion.pt``; if not, a finished U-Net in ``work``/unet is what it begins with.
    """

    def __init__(self, work: Path, concepts: list[Concept], planned: bool = False) -> None:
        self.work = work
        self.vae = AutoencoderKL.from_pretrained(work / "vae").eval().to(memory_format=torch.channels_last)
        self.vae.register_to_config(scaling_factor=latent_scale(self.vae, concepts))
        self.code = PartCode.loaded(work / "layout.pt", concepts)
        self.planned = planned
        if not planned:
            self.tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
            encoder = CLIPTextModel.from_pretrained(work / "text_encoder", dtype=torch.float32)
            self.encoder = encoder.eval()
        finished = work / "unet"
        unet = UNet2DConditionModel.from_pretrained(finished) if finished.exists() else build_unet(self.code)
        self.unet = unet.train().to(memory_format=torch.channels_last)
        self.attention = guide(self.unet)
        self.optimizer = HiddenOptimizer(self.unet, is_hidden)
        self.average = {name: value.detach().clone() for name, value in self.unet.state_dict().items()}
        self.step = 0
        self.error = self.miss = 0.0
        self.rng = random.Random(self.step)
        if self.path.exists():
            self._load()
        self.reading = PlanReading.fitted(self.vae, self.code, concepts)

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
        self.rng = random.Random(self.step)

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
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            return encode_captions(self.tokenizer, self.encoder, captions).float()

    def lesson(self, latents: Tensor, topics: Sequence[Topic]) -> Lesson:
        """Clean scaled ``latents`` (n, 4, h, w) of scenes about ``topics`` at random times."""
        asked = torch.rand(len(latents)) >= BLANK_SHARE
        times = (torch.rand(len(latents)).pow(TIME_POWER) * 1000).long()
        states = self.states([topic if wanted else None for topic, wanted in zip(topics, asked, strict=True)])
        reading = self.reading.of(states, *latents.shape[2:])
        planned = mixed(tinted(reading, latents), latents, times)
        clean = torch.where(asked[:, None, None, None], planned, latents)
        weights = torch.where(asked[:, None, None, None], importance(reading), 1.0)
        scales = torch.where(asked, GUIDANCE, 1.0)
        return Lesson(noised(latents, times), times, states, clean, scales, weights)

    def start(self, latents: Tensor, topic: Topic) -> Start:
        """Where a walk may begin: scaled ``latents`` (1, 4, h, w) of a scene about ``topic``."""
        states = self.states([topic])
        reading = self.reading.of(states, *latents.shape[2:])
        return Start(latents, states, reading, topic.background is not None)

    def predict(self, noisy: Tensor, times: Tensor, states: Tensor) -> Tensor:
        """What the U-Net says, computed in bfloat16: v (n, 4, h, w) in float32."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            predicted: Tensor = self.unet(noisy.to(memory_format=torch.channels_last), times, states).sample
        return predicted.float()

    def loss(self, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """The training loss, and the guided v (n, 4, h, w) it judges; :attr:`error` and :attr:`miss` then
        hold the mean squared error of v, and how far attention looks elsewhere."""
        self.attention.begin(lesson.noisy)
        with torch.no_grad():
            without = self.predict(lesson.noisy, lesson.times, self.states([None] * len(lesson.noisy)))
        predicted = self.predict(lesson.noisy, lesson.times, lesson.states)
        found = guided(predicted, without, lesson.scales[:, None, None, None])
        wanted = velocity(lesson.noisy, lesson.clean, lesson.times)
        squared = ((found - wanted).square() * lesson.weights).mean(dim=(1, 2, 3))
        self.error = float(squared.detach().mean())
        # Errors count as they are; their gradients would count GUIDANCE-fold.
        loss: Tensor = (squared / lesson.scales).mean()
        miss = torch.stack(self.attention.misses).mean()
        self.miss = float(miss.detach())
        return loss + LOOK_WEIGHT * miss, found.detach()

    def update(self, loss: Tensor, rate: float) -> None:
        """One optimizer step at learning rate ``rate``, and the averages after it."""
        self.optimizer.step(loss, rate)
        self.step += 1
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        current = self.unet.state_dict()
        torch._foreach_lerp_(list(self.average.values()), [current[name] for name in self.average], 1 - decay)


class Course:
    """Steps of training: of a batch, :data:`WALK_SHARE` are places on walks, the others scenes with noise."""

    def __init__(self, trainer: Trainer, concepts: list[Concept]) -> None:
        self._trainer = trainer
        self._scenes = Scenes(trainer.vae, concepts, trainer.rng, seed=51 + trainer.step)
        self._walks: dict[tuple[int, int], Walks] = {}

    def _walks_of(self, shape: tuple[int, int], count: int) -> Walks:
        def begin() -> Start:
            latents, topics = self._scenes.draw(shape, 1)
            return self._trainer.start(latents, topics[0])

        if shape not in self._walks:
            self._walks[shape] = Walks(count, begin, self._trainer.rng)
        return self._walks[shape]

    def step(self, run: Run, rate: float) -> tuple[int, int]:
        """One step at learning rate ``rate``; returns the shape it was of."""
        shape, count = self._scenes.shape(run.batch, run.other_share)
        walked = min(count - 1, round(count * WALK_SHARE))
        walks = self._walks_of(shape, walked)
        lesson = self._trainer.lesson(*self._scenes.draw(shape, count - walked))
        places = walks.places()
        scales = torch.full((len(places[0]),), GUIDANCE)
        loss, found = self._trainer.loss(lesson.and_more(Lesson(*places, scales, walks.weights())))
        self._trainer.update(loss, rate)
        walks.advance(found[len(lesson.times) :])
        return shape


def train(concepts: list[Concept], work: Path, run: Run) -> None:
    """Train for ``run.minutes`` from where ``work`` stands; the loss goes to ``work``/diffusion.csv."""
    trainer = Trainer(work, concepts, run.planned)
    torch.manual_seed(51 + trainer.step)
    course = Course(trainer, concepts)
    start = saved = time.monotonic()
    recent: list[tuple[float, float]] = []
    with (work / "diffusion.csv").open("a", newline="") as stream:
        log = csv.writer(stream)
        while (share := (time.monotonic() - start) / (60 * run.minutes)) < 1.0:
            shape = course.step(run, falling(run.rate, run.last_rate, share, trainer.step))
            if shape == USUAL:
                recent.append((trainer.error, trainer.miss))
            if trainer.step % 50 == 0 and recent:
                seconds = int(time.monotonic() - start)
                error, miss = (sum(values) / len(recent) for values in zip(*recent, strict=True))
                log.writerow([trainer.step, USUAL[0], f"{error:.5f}", f"{miss:.4f}", seconds])
                stream.flush()
                recent.clear()
            if time.monotonic() - saved > SAVE_SECONDS:
                trainer.save()
                saved = time.monotonic()
    trainer.save()
