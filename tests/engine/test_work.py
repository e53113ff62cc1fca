"""Scripts as the engine runs them: errors are theirs to handle."""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest

from sdapi_compat.engine.job import Job, Outcome
from sdapi_compat.engine.work import ScriptWork
from sdapi_compat.errors import Fault
from sdapi_compat.plan.plan import ModelChoice

DONE = Outcome([], ["the end"], {})


class Careful:
    """Asks for two drafts and goes on when one fails."""

    def __init__(self) -> None:
        self.met: list[str] = []

    def parts(self, draft: Any, arguments: Any) -> int:
        return 2

    def run(self, draft: Any, arguments: Any) -> Generator[Any, Outcome, Outcome]:
        for number in range(2):
            try:
                yield number
            except Fault as error:
                self.met.append(error.message)
        return DONE


class Careless(Careful):
    """Asks for one draft and expects it."""

    def run(self, draft: Any, arguments: Any) -> Generator[Any, Outcome, Outcome]:
        outcome = yield 7
        return outcome


def refuse(draft: Any) -> Any:
    raise Fault("ValueError", f"draft {draft}")


def work(script: Any) -> Generator[Any, Any, Outcome]:
    request: Any = SimpleNamespace(save_images=False)
    unused: Any = None
    asked = ScriptWork(ModelChoice("small"), script, None, request, refuse, unused)
    return asked.start(Job("test", "txt2img", asked))


def test_a_script_hears_of_a_draft_that_fails_and_goes_on() -> None:
    script = Careful()
    with pytest.raises(StopIteration) as stop:
        next(work(script))
    assert script.met == ["draft 0", "draft 1"]
    assert stop.value.value is DONE


def test_what_a_script_does_not_handle_ends_the_job() -> None:
    with pytest.raises(Fault, match="draft 7"):
        next(work(Careless()))
