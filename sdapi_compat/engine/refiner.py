"""The refiner: another checkpoint takes over once enough of the noise is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdapi_compat.sampling import guidance

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.outputs import Caller, Level
    from sdapi_compat.plan.plan import Refiner
    from sdapi_compat.sampling.noise_schedule import NoiseSchedule


class Refinement:
    """The change of model in one pass; it happens once.

    `schedule`: the table the sampler reads its levels from. `total_calls`: of the pass, where its share of
    calls decides, not the noise. `make_caller` describes the refiner and encodes the prompts with it; `notes`
    gets the infotext pairs.
    """

    def __init__(
        self,
        refiner: Refiner,
        schedule: NoiseSchedule,
        total_calls: int | None,
        make_caller: Callable[[], Generator[Ask, Any, Caller]],
        notes: dict[str, Any],
    ) -> None:
        self._refiner = refiner
        self._schedule = schedule
        self._total_calls = total_calls
        self._make_caller = make_caller
        self._notes = notes
        self._done = False

    def due(self, level: Level, call: int) -> bool:
        """Whether this call is the refiner's first. A1111 1.10.1 behaviour: null switches at the start."""
        if self._done:
            return False
        if self._total_calls is not None:
            completed = call / self._total_calls
        elif level.noise:
            completed = guidance.completed_at(level.timestep)
        else:
            completed = guidance.completed(self._schedule, level.sigma)
        return self._refiner.switch_at is None or completed >= self._refiner.switch_at

    def switch(self) -> Generator[Ask, Any, Caller]:
        """The refiner's caller, which answers from now on."""
        self._done = True
        if self._refiner.passes is not None:
            self._notes["Hires refiner"] = self._refiner.passes
        caller = yield from self._make_caller()
        self._notes["Refiner switch at"] = self._refiner.switch_at
        return caller
