"""One admitted generation: its plan, its reply, its progress and its cancel flags."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sdapi_compat.engine.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from PIL import Image

    from sdapi_compat.engine.asks import Ask


class State(str, Enum):
    """Where a job is in its life; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Picture(NamedTuple):
    """A finished image and the infotext that belongs to it, None for masks and other extras."""

    image: Image.Image
    infotext: str | None


@dataclass
class Outcome:
    """What a generation gave (A1111's `Processed`).

    `pictures` and `infotexts` start with the grid when there is one. `info` has the keys of the reply's info
    JSON in the original's order.
    """

    pictures: list[Picture]
    infotexts: list[str]
    info: dict[str, Any]


class Control:
    """The caller's wishes for one job: read between model calls, set from any thread."""

    def __init__(self) -> None:
        self.interrupted = False
        self.skipped = False

    @property
    def stopped(self) -> bool:
        """True when the pass that is running should end with what it has."""
        return self.interrupted or self.skipped


class Work(Protocol):
    """What a job does. `start` is called on the engine's thread and may import torch."""

    def start(self, job: Job) -> Generator[Ask, Any, Outcome]:
        """The job's body: yields what it needs from the model, returns what it made."""
        ...


@dataclass(eq=False)
class Job:
    """The unit the engine admits, runs and answers exactly once."""

    id: str
    kind: str
    work: Work
    progress: Progress = field(init=False)
    control: Control = field(default_factory=Control)
    reply: Future[Outcome] = field(default_factory=Future)
    state: State = State.QUEUED
    submitted: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.progress = Progress(f"scripts_{self.kind}")

    def begin(self) -> bool:
        """Take the job up. False when its caller has withdrawn it."""
        if not self.reply.set_running_or_notify_cancel():
            self.state = State.CANCELLED
            return False
        self.state = State.RUNNING
        self.progress.begin()
        return True

    def finish(self, outcome: Outcome) -> None:
        """Answer the caller with what was made."""
        self.state = State.CANCELLED if self.control.interrupted else State.FINISHED
        self.reply.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        """Answer the caller with why nothing was made. Also for a job that never began."""
        if self.state is State.QUEUED and not self.begin():
            return
        self.state = State.FAILED
        self.reply.set_exception(error)
