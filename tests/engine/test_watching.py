"""When a pass shows a preview, of what, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sdapi_compat.engine.asks import Decode
from sdapi_compat.engine.facts import ModelFacts
from sdapi_compat.engine.progress import WATCHED_SECONDS, Progress
from sdapi_compat.engine.watching import Watcher
from sdapi_compat.errors import Fault
from sdapi_compat.plan.output import Preview
from sdapi_compat.plan.plan import ModelChoice

TO_RGB = np.full((5, 3), 0.25, np.float32)
FIRST, UNCOND, RESULT = (torch.full((2, 4, 2, 3), value) for value in (1.0, 2.0, 3.0))
NOTHING = ModelFacts(**dict.fromkeys(ModelFacts._fields))


class Run:
    """A watcher of a job that somebody looks at."""

    def __init__(self, *, tiny: tuple[str, ...] = (), low_memory: bool = False, **wish: Any) -> None:
        self.progress = Progress("job")
        self.progress.watch()
        self.asks: list[Decode] = []
        fields: dict[str, Any] = {
            "every": 2,
            "content": "Prompt",
            "kind": "TAESD",
            "grid": True,
            "full_always": False,
        }
        facts = NOTHING._replace(to_rgb=TO_RGB, tiny=frozenset(tiny), low_memory=low_memory)
        self._watcher = Watcher(
            Preview(**fields | wish), self.progress, facts, lambda: ModelChoice("now"), tiling=True
        )

    def step(self, number: int, answer: Callable[[Decode], Any] = lambda ask: None) -> Any:
        """One call of the model; gives the newest preview."""
        body = self._watcher(number, FIRST, UNCOND, RESULT)
        for ask in body:
            self.asks.append(ask)
            found = answer(ask)
            with pytest.raises(StopIteration):
                body.throw(found) if isinstance(found, Exception) else body.send(found)
        return self.progress.preview


def decoded(ask: Decode) -> Tensor:
    return torch.zeros(ask.latents.shape[0], 3, 16, 24)


def test_previews_come_every_so_many_steps() -> None:
    run = Run(kind="Approx cheap")
    numbers = [shown.number if (shown := run.step(step)) else 0 for step in range(6)]
    assert numbers == [0, 0, 1, 1, 2, 2]
    assert run.progress.sampling_step == 5
    assert run.asks == []


def test_never() -> None:
    run = Run(every=0)
    assert [run.step(step) for step in range(30)] == [None] * 30


@pytest.mark.parametrize(
    ("content", "value"), [("Prompt", 1.0), ("Negative prompt", 2.0), ("Combined", 3.0), ("?", 3.0)]
)
def test_what_is_shown(content: str, value: float) -> None:
    shown = Run(content=content, kind="Approx NN").step(2)
    assert shown.values.unique().tolist() == [value]
    assert shown.draw().size == (6, 2)
    assert shown.draw().getpixel((0, 0)) == (int(255 * min(1, 0.25 * (4 * value + 1))),) * 3


def test_the_first_picture_alone() -> None:
    shown = Run(grid=False, kind="Approx NN").step(2)
    assert shown.values.shape[0] == 1
    assert shown.draw().size == (3, 2)


def test_taesd_decodes_for_somebody_who_looks() -> None:
    run = Run(tiny=("decoder",))
    shown = run.step(2, decoded)
    (ask,) = run.asks
    assert (ask.model, ask.tiling, ask.rules.tiny, ask.rules.check) == (ModelChoice("now"), True, True, False)
    assert torch.equal(ask.latents, FIRST)
    assert shown.to_rgb is None
    assert shown.draw().size == (48, 16)
    assert shown.draw().getpixel((0, 0)) == (127, 127, 127)


def test_nobody_looks_nothing_is_decoded() -> None:
    run = Run(tiny=("decoder",))
    run.progress.watched_at -= WATCHED_SECONDS
    assert run.step(2, decoded).to_rgb is not None
    assert run.asks == []


@pytest.mark.parametrize(
    ("kind", "fields", "asks"),
    [
        ("TAESD", {}, 0),
        ("TAESD", {"tiny": ("encoder",)}, 0),
        ("Full", {}, 1),
        ("Full", {"low_memory": True}, 0),
        ("Full", {"low_memory": True, "full_always": True}, 1),
        ("Approx cheap", {"tiny": ("decoder",)}, 0),
    ],
)
def test_which_previews_decode(kind: str, fields: dict[str, Any], asks: int) -> None:
    run = Run(kind=kind, **fields)
    run.step(2, decoded)
    assert len(run.asks) == asks
    assert all(not ask.rules.tiny for ask in run.asks)


@pytest.mark.parametrize("error", [Fault("OutOfMemoryError", "no", 507), torch.OutOfMemoryError("no")])
def test_a_preview_that_fails_leaves_the_job_alone(error: Exception) -> None:
    run = Run(tiny=("decoder",))
    assert run.step(2, lambda ask: error).to_rgb is not None
