"""Tags of prompts as networks on a model."""

from __future__ import annotations

import pytest

from sdapi_compat.engine.networks import with_networks
from sdapi_compat.plan.plan import AdapterChoice, HypernetworkChoice, ModelChoice, NetworkRules

MODEL = ModelChoice("toy", "toy.vae")
ON, OFF = NetworkRules(enabled=True, hashes=True), NetworkRules(enabled=False, hashes=True)


def test_networks_are_taken_in_the_order_of_the_prompt() -> None:
    prompt = "a <hypernet:h> cat <lora:a:0.5> <lyco:b:te=1:unet=0.2:dyn=4><hypernet:g:-0.3><other:x:1>"
    made = with_networks(MODEL, prompt, ON)
    assert made.adapters == (AdapterChoice("a", 0.5, 0.5, None), AdapterChoice("b", 1.0, 0.2, 4))
    assert made.hypernetworks == (HypernetworkChoice("h", 1.0), HypernetworkChoice("g", -0.3))
    assert made.bare() == MODEL
    assert made != MODEL


def test_without_tags_or_with_networks_off_the_model_is_bare() -> None:
    assert with_networks(MODEL, "a cat", ON) == MODEL
    assert with_networks(MODEL, "a <lora:a:0.5><hypernet:h>", OFF) == MODEL


@pytest.mark.parametrize("tag", ["<hypernet:h:much>", "<hypernet:x=1>", "<hypernet:h:mult=2>"])
def test_a_malformed_tag_takes_its_kind_along(tag: str) -> None:
    made = with_networks(MODEL, f"<lora:a><hypernet:g>{tag}", ON)
    assert made.hypernetworks == ()
    assert [one.name for one in made.adapters] == ["a"]
    other = with_networks(MODEL, "<lora:a><hypernet:g><lora:b:much>", ON)
    assert other.adapters == ()
    assert [one.name for one in other.hypernetworks] == ["g"]
