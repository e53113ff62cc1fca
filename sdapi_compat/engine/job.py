"""One admitted generation: its plan, its reply, its progress and its cancel flags."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sdapi_compat.engine.progress import Progress
from sdapi_compat.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Generator

    from PIL import Image

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.plan import ModelChoice


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


class Keep(NamedTuple):
    """A picture that a script put together, to be saved where the request wants files.

    `draft`: what its folder and name are made of, as if that had made it. `grid`: what the name of a grid
    begins with, None for any other picture.
    """

    picture: Picture
    draft: Draft
    grid: str | None = None


@dataclass
class Outcome:
    """What a generation gave (A1111's `Processed`).

    `pictures` and `infotexts` start with the grid when there is one. `info` has the keys of the reply's info
    JSON in the original's order. `keep`: of scripts, what has not been saved as a picture of its own.
    """

    pictures: list[Picture]
    infotexts: list[str]
    info: dict[str, Any]
    keep: list[Keep] = field(default_factory=list)


class Withdrawn(ApiError):
    """The answer to a job that its caller no longer wants."""

    def __init__(self, reason: str = "The job was cancelled") -> None:
        super().__init__(409, reason)


class Control:
    """The caller's wishes for one job: read between model calls, set from any thread.

    An interrupted job answers with what it has; a withdrawn one makes nothing more of it.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self.skipped = False
        self.withdrawn = False

    @property
    def stopped(self) -> bool:
        """True when the pass that is running should end with what it has."""
        return self.interrupted or self.skipped or self.withdrawn


class Work(Protocol):
    """What a job does. `start` is called on the engine's thread and may import torch."""

    def start(self, job: Job) -> Generator[Ask, Any, Outcome]:
        """The job's body: yields what it needs from the model, returns what it made."""
        ...


@dataclass(eq=False)
class Job:
    """The unit the engine admits, runs and answers exactly once.

    `model`: what it begins with, None where that is not known. `pictures`: how many it makes at a time.
    `priority`: higher goes first. `retries`: how often it was begun again. `began` and `reply` tell whoever
    adds callbacks to them that the engine took the job up (never, for one that was refused) and answered it.
    """

    id: str
    kind: str
    work: Work
    model: ModelChoice | None = None
    pictures: int = 1
    priority: int = 0
    progress: Progress = field(init=False)
    control: Control = field(default_factory=Control)
    began: Future[None] = field(default_factory=Future)
    reply: Future[Outcome] = field(default_factory=Future)
    state: State = State.QUEUED
    submitted: float = field(default_factory=time.monotonic)
    retries: int = 0

    def __post_init__(self) -> None:
        self.progress = Progress(f"scripts_{self.kind}")
        self._settling = threading.Lock()

    def begin(self) -> bool:
        """Take the job up. False when its caller has withdrawn it."""
        if self.reply.running():
            # Begun again, after the engine's thread died with it.
            self.progress = Progress(f"scripts_{self.kind}")
        elif not self._claim():
            return False
        self.state = State.RUNNING
        self.progress.begin()
        if not self.began.done():
            self.began.set_result(None)
        return True

    def _claim(self) -> bool:
        if self.reply.set_running_or_notify_cancel():
            return True
        self.state = State.CANCELLED
        return False

    def finish(self, outcome: Outcome) -> None:
        """Answer the caller with what was made, unless it has been answered or no longer wants it."""
        if self.control.withdrawn:
            self.fail(Withdrawn())
        with self._settling:
            if not self.reply.done():
                self.state = State.CANCELLED if self.control.interrupted else State.FINISHED
                self.reply.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        """Answer the caller with why nothing was made. Also for a job that never began."""
        with self._settling:
            if self.reply.done() or (self.state is State.QUEUED and not self._claim()):
                return
            self.state = State.CANCELLED if isinstance(error, Withdrawn) else State.FAILED
            self.reply.set_exception(error)
