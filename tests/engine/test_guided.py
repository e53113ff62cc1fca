"""Guidance between a sampler and a toy model: rows, combination, blending, skipping, stopping, refining."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.engine.asks import Predict
from sdapi_compat.engine.conditioning import Conditioning, Part, Scheduled
from sdapi_compat.engine.guided import Blend, Guide
from sdapi_compat.engine.hooks import Blending
from sdapi_compat.engine.job import Control
from sdapi_compat.engine.outputs import Caller, ForwardRules
from sdapi_compat.engine.refiner import Refinement
from sdapi_compat.plan.plan import GuidanceRules, ModelChoice, Refiner, TextRules
from sdapi_compat.prompt.schedules import ScheduledText
from sdapi_compat.sampling.ask import Denoise, PredictNoise
from sdapi_compat.sampling.noise_schedule import NoiseSchedule, scaled_linear_alphas_cumprod

SCHEDULE = NoiseSchedule(scaled_linear_alphas_cumprod())
MODEL, OTHER = ModelChoice("toy"), ModelChoice("refiner")
ONE = torch.zeros(1, 1, 1, 1)
TEXT = TextRules(
    clip_skip=1,
    emphasis="Original",
    old_emphasis=False,
    comma_backtrack=20,
    old_scheduling=False,
    pad_cond_uncond=False,
    pad_cond_uncond_v0=False,
)


def text(value: float, length: int = 77) -> Scheduled:
    """A prompt whose encoding is `value` everywhere."""
    return Scheduled((ScheduledText(9, ""),), torch.full((1, length, 1), value), ())


def caller(
    positive: list[list[tuple[float, float]]],
    negative: float = 0.0,
    *,
    model: ModelChoice = MODEL,
    negative_length: int = 77,
    extra: Tensor | None = None,
    empty: float | None = None,
) -> Caller:
    """Images with (encoding, weight) parts; one negative encoding for all. `empty`: what pads them."""
    parts = [[Part(weight, text(value)) for value, weight in image] for image in positive]
    padding = None if empty is None else torch.full((1, 77, 1), empty)
    conditioning = Conditioning(parts, [text(negative, negative_length)] * len(positive), padding)
    return Caller(model, conditioning, TEXT, extra, ForwardRules(False, 0.0))


def rules(**changes: Any) -> GuidanceRules:
    fields: dict[str, Any] = {
        "cfg_scale": 7.0,
        "image_cfg_scale": None,
        "skip_early": 0.0,
        "s_min_uncond": 0.0,
        "s_min_uncond_all": False,
    }
    return GuidanceRules(**fields | changes)


def silent(*told: Any) -> Generator[Any, Any, None]:
    """A watch that asks for nothing."""
    return
    yield


def guide(made: Caller, **changes: Any) -> Guide:
    fields: dict[str, Any] = {
        "schedule": SCHEDULE,
        "caller": made,
        "rules": rules(),
        "cfg_multiplier": 1.0,
        "total_calls": 2,
        "control": Control(),
        "watch": silent,
        "notes": {},
    }
    return Guide(**fields | changes)


def noted(seen: list[Any], told: Any) -> Generator[Any, Any, None]:
    """A watch that writes down what it is told."""
    seen.append(told)
    return
    yield


def sampler(x: Tensor, calls: int = 1) -> Generator[Denoise, Tensor, Tensor]:
    for step in range(calls):
        x = yield Denoise(x, 2.0, step)
    return x


def drive(body: Any, model: Callable[[Predict], Tensor]) -> tuple[Tensor, list[Predict]]:
    """Answer every ask with `model`; gives the result and the asks."""
    asks: list[Predict] = []
    answer = None
    while True:
        try:
            ask = body.send(answer)
        except StopIteration as stop:
            return stop.value, asks
        asks.append(ask)
        answer = model(ask)


def echo(ask: Predict) -> Tensor:
    """A model whose output is its prompt."""
    return ask.context[:, :1, :1].unsqueeze(-1).expand_as(ask.x).clone()


def test_both_sides_go_through_one_forward_and_are_combined() -> None:
    result, asks = drive(
        guide(caller([[(1.0, 1.0)], [(3.0, 1.0)]], 0.5)).run(sampler(torch.zeros(2, 1, 1, 1))), echo
    )
    assert [ask.x.shape[0] for ask in asks] == [4]
    assert result.flatten().tolist() == [0.5 + 7 * 0.5, 0.5 + 7 * 2.5]
    assert asks[0].sigma.tolist() == [2.0] * 4
    assert asks[0].timestep[0] == pytest.approx(SCHEDULE.sigma_to_t(2.0), abs=1e-4)


def test_parts_of_a_prompt_add_up_by_weight() -> None:
    result, asks = drive(
        guide(caller([[(1.0, 1.0), (2.0, -0.5)]])).run(sampler(torch.zeros(1, 1, 1, 1))), echo
    )
    assert asks[0].x.shape[0] == 3
    assert result.item() == pytest.approx(7 * (1.0 - 1.0))


def test_different_lengths_take_two_forwards() -> None:
    made = caller([[(1.0, 1.0)]], 0.5, negative_length=154)
    result, asks = drive(guide(made).run(sampler(torch.zeros(1, 1, 1, 1))), echo)
    assert [ask.context.shape[1] for ask in asks] == [77, 154]
    assert result.item() == pytest.approx(0.5 + 7 * 0.5)


def test_skipping_early_leaves_the_conditional_output_alone() -> None:
    notes: dict[str, Any] = {}
    built = guide(caller([[(1.0, 1.0)]], 0.5), rules=rules(skip_early=0.4), notes=notes)
    result, asks = drive(built.run(sampler(torch.zeros(1, 1, 1, 1), 2)), echo)
    assert [ask.x.shape[0] for ask in asks] == [1, 2]
    assert result.item() == pytest.approx(0.5 + 7 * 0.5)
    assert notes == {"Skip Early CFG": 0.4}


def test_blending_keeps_the_clean_latents_outside_the_mask() -> None:
    clean, paint = torch.full((1, 1, 1, 2), 9.0), torch.tensor([[1.0, 0.0]])
    built = guide(caller([[(1.0, 1.0)]]), blend=Blend(clean, paint))
    result, _ = drive(built.run(sampler(torch.zeros(1, 1, 1, 2))), echo)
    assert result.flatten().tolist() == [7.0, 9.0]


def test_timestep_samplers_get_noise_and_are_blended_before_the_model() -> None:
    def one_step(x: Tensor) -> Generator[PredictNoise, Any, Tensor]:
        answer = yield PredictNoise(x, 500.0)
        return torch.stack([answer.eps, answer.uncond])

    clean, paint = torch.full((1, 1, 1, 2), 9.0), torch.tensor([[1.0, 0.0]])
    built = guide(caller([[(1.0, 1.0)]], 0.5), blend=Blend(clean, paint))
    result, asks = drive(built.run(one_step(torch.zeros(1, 1, 1, 2))), echo)
    assert asks[0].noise
    assert asks[0].x[0].flatten().tolist() == [0.0, 9.0]
    assert result.flatten().tolist() == pytest.approx([4.0, 4.0, 0.5, 0.5])


def test_a_stopped_pass_gives_the_last_conditional_prediction() -> None:
    control = Control()
    built = guide(caller([[(1.0, 1.0)]], 0.5), control=control)
    body = built.run(sampler(torch.zeros(1, 1, 1, 1), 5))
    ask = next(body)
    control.interrupted = True
    with pytest.raises(StopIteration) as stop:
        body.send(echo(ask))
    assert stop.value.value.item() == 1.0


def test_a_pass_stopped_before_its_first_call_gives_its_noise() -> None:
    control = Control()
    control.skipped = True
    body = guide(caller([[(1.0, 1.0)]]), control=control).run(sampler(torch.full((1, 1, 1, 1), 3.0)))
    with pytest.raises(StopIteration) as stop:
        next(body)
    assert stop.value.value.item() == 3.0


def test_hooks_change_what_the_sampler_gets() -> None:
    built = guide(caller([[(1.0, 1.0)]]), hooks=[lambda latents, sigma: latents + sigma])
    result, _ = drive(built.run(sampler(torch.zeros(1, 1, 1, 1))), echo)
    assert result.item() == 7.0 + 2.0


def test_watch_sees_step_and_predictions() -> None:
    seen: list[Any] = []
    built = guide(
        caller([[(1.0, 1.0)]], 0.5),
        watch=lambda step, *three: noted(seen, (step, *(t.item() for t in three))),
    )
    drive(built.run(sampler(torch.zeros(1, 1, 1, 1), 2)), echo)
    assert seen == [(0, 1.0, 0.5, 4.0), (1, 1.0, 0.5, 4.0)]


def test_an_edit_model_gets_three_rows_per_image() -> None:
    picture = torch.full((1, 1, 1, 1), 5.0)
    built = guide(caller([[(1.0, 1.0)]], 0.5, extra=picture), rules=rules(image_cfg_scale=1.5), edit=True)

    def model(ask: Predict) -> Tensor:
        assert ask.extra is not None
        return echo(ask) + ask.extra

    result, asks = drive(built.run(sampler(torch.zeros(1, 1, 1, 1))), model)
    assert asks[0].x.shape[0] == 3
    both, with_picture, neither = 6.0, 5.5, 0.5
    assert result.item() == pytest.approx(
        neither + 7 * (both - with_picture) + 1.5 * (with_picture - neither)
    )


@pytest.mark.parametrize(("switch_at", "models"), [(None, "rr"), (0.9, "tt"), (0.6, "tr")])
def test_the_refiner_takes_over_when_enough_noise_is_gone(switch_at: float | None, models: str) -> None:
    def make() -> Generator[Any, Any, Caller]:
        return caller([[(1.0, 1.0)]], model=OTHER)
        yield

    refiner = Refiner(model=OTHER, switch_at=switch_at, first_pass=True, second_pass=True, passes=None)
    notes: dict[str, Any] = {}
    built = guide(caller([[(1.0, 1.0)]]), refinement=Refinement(refiner, SCHEDULE, None, make, notes))

    def two_levels(x: Tensor) -> Generator[Denoise, Tensor, Tensor]:
        x = yield Denoise(x, 10.0, 0)
        return (yield Denoise(x, 1.0, 1))

    _, asks = drive(built.run(two_levels(torch.zeros(1, 1, 1, 1))), echo)
    assert "".join(ask.model.checkpoint[0] for ask in asks) == models
    assert ("Refiner switch at" in notes) == ("r" in models)


@pytest.mark.parametrize(("calls", "models"), [(2, "tr"), (3, "tt"), (4, "tt")])
def test_the_refiner_can_wait_for_its_share_of_calls(calls: int, models: str) -> None:
    def make() -> Generator[Any, Any, Caller]:
        return caller([[(1.0, 1.0)]], model=OTHER)
        yield

    refiner = Refiner(model=OTHER, switch_at=0.4, first_pass=True, second_pass=True, passes=None)
    notes: dict[str, Any] = {}
    refinement = Refinement(refiner, SCHEDULE, calls, make, notes)
    built = guide(caller([[(1.0, 1.0)]]), refinement=refinement, notes=notes, told={"by steps": True})
    _, asks = drive(built.run(sampler(torch.zeros(1, 1, 1, 1), 2)), echo)
    assert "".join(ask.model.checkpoint[0] for ask in asks) == models
    assert list(notes) == ["by steps", "Refiner switch at"][: 1 + ("r" in models)]


def test_the_first_call_tells_what_there_is_to_tell() -> None:
    notes: dict[str, Any] = {}
    told = {"by steps": True}
    control = Control()
    control.skipped = True
    drive(guide(caller([[(1.0, 1.0)]]), notes=notes, told=told, control=control).run(sampler(ONE)), echo)
    assert notes == {}
    rule = rules(skip_early=0.4)
    drive(guide(caller([[(1.0, 1.0)]]), notes=notes, told=told, rules=rule).run(sampler(ONE)), echo)
    assert list(notes) == ["by steps", "Skip Early CFG"]


def test_prompts_are_padded_where_the_unconditional_side_is_left_out_too() -> None:
    notes: dict[str, Any] = {}
    made = caller([[(1.0, 1.0)]], 0.5, negative_length=154, empty=9.0)
    built = guide(made, rules=rules(skip_early=0.4), notes=notes)
    _, asks = drive(built.run(sampler(ONE, 2)), echo)
    assert [(ask.x.shape[0], ask.context.shape[1]) for ask in asks] == [(1, 154), (2, 154)]
    assert asks[0].context[0, :, 0].tolist() == [1.0] * 77 + [9.0] * 77
    assert notes == {"Skip Early CFG": 0.4, "Pad conds": True}
    assert list(notes)[-1] == "Pad conds"


def test_an_extension_mixes_in_place_of_the_mask() -> None:
    seen: list[Blending] = []

    def mix(blending: Blending) -> Tensor:
        seen.append(blending)
        return blending.latents * 0 + 5

    clean, paint = torch.full((1, 1, 1, 2), 9.0), torch.tensor([[1.0, 0.0]])
    blend = Blend(clean, paint, mix)
    result, _ = drive(guide(caller([[(1.0, 1.0)]]), blend=blend).run(sampler(torch.zeros(1, 1, 1, 2))), echo)
    assert result.flatten().tolist() == [5.0, 5.0]
    (one,) = seen
    assert (one.level, one.clean.flatten().tolist(), one.latents.flatten().tolist()) == (2.0, [9, 9], [7, 7])
    assert torch.equal(blend.settle(result), result), "nothing is mixed after the last step"
    assert Blend(clean, paint).settle(result).flatten().tolist() == [5.0, 9.0]


def test_an_extension_is_told_the_time_by_timestep_samplers() -> None:
    levels: list[float] = []

    def mix(blending: Blending) -> Tensor:
        levels.append(blending.level)
        return blending.latents

    def one_step(x: Tensor) -> Generator[PredictNoise, Any, Tensor]:
        yield PredictNoise(x, 500.0)
        return x

    blend = Blend(torch.zeros(1, 1, 1, 1), torch.ones(1, 1), mix)
    drive(guide(caller([[(1.0, 1.0)]]), blend=blend).run(one_step(torch.zeros(1, 1, 1, 1))), echo)
    assert levels == [500.0]
