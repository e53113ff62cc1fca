"""A Plan is pure data: it survives JSON, and making one needs no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from PIL import Image

from sdapi_compat.plan.plan import Plan

PlanOf = Callable[..., Plan]

PICTURE = Image.effect_noise((48, 40), 80).convert("RGB")
MASK = Image.linear_gradient("L").resize((48, 40))
BODIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch": {
        "batch_size": 2,
        "n_iter": 2,
        "subseed_strength": 0.5,
        "save_images": True,
        "styles": ["plain"],
    },
    "hires": {"enable_hr": True, "denoising_strength": 0.5, "hr_prompt": "another", "batch_size": 2},
    "churn": {"s_tmax": 3.0, "s_churn": 1.0},
    "img2img": {"init_images": [PICTURE], "width": 64, "height": 64},
    "inpaint": {
        "init_images": [PICTURE],
        "mask": MASK,
        "width": 64,
        "height": 64,
        "inpaint_full_res_padding": 2,
    },
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_plan_survives_json(plan_of: PlanOf, body: dict[str, Any]) -> None:
    options = {"emphasis": "No norm", "img2img_extra_noise": 0.1, "samples_format": "jpg"}
    plan = plan_of(options, prompt="(a cat)", **body)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan) == plan


def test_a_plan_cannot_be_changed(plan_of: PlanOf) -> None:
    with pytest.raises(AttributeError):
        plan_of().width = 3  # type: ignore[misc]


def test_the_same_request_makes_the_same_plan(plan_of: PlanOf) -> None:
    assert plan_of(prompt="a", seed=3) == plan_of(prompt="a", seed=3)
    assert plan_of(prompt="a", seed=3) != plan_of(prompt="a", seed=4)


def test_planning_needs_neither_torch_nor_a_web_framework() -> None:
    program = (
        "import sys, pkgutil, importlib, sdapi_compat.plan as room\n"
        "for module in pkgutil.iter_modules(room.__path__):\n"
        "    importlib.import_module(f'{room.__name__}.{module.name}')\n"
        "print(*({'torch', 'diffusers', 'transformers', 'starlette', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
