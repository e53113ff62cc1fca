"""Extra-network tags of a prompt, as networks on the model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sdapi_compat.plan.plan import AdapterChoice, HypernetworkChoice
from sdapi_compat.prompt.extra_networks import (
    HYPERNETWORK,
    KINDS,
    LORA,
    extract,
    hypernetwork_arguments,
    lora_arguments,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdapi_compat.plan.plan import ModelChoice, NetworkRules
    from sdapi_compat.prompt.extra_networks import NetworkTag

log = logging.getLogger(__name__)
T = TypeVar("T")


def with_networks(model: ModelChoice, prompt: str, rules: NetworkRules) -> ModelChoice:
    """The model with the networks a positive prompt asks for, in its order.

    A1111 1.10.1 behaviour: one tag with a malformed number switches all of the prompt's networks of its kind
    off.
    """
    if not rules.enabled:
        return model
    tags = extract(prompt)[1]
    return msgspec.structs.replace(
        model,
        adapters=_wishes(tags, LORA, _adapter),
        hypernetworks=_wishes(tags, HYPERNETWORK, _hypernetwork),
    )


def _wishes(tags: list[NetworkTag], kind: str, read: Callable[[NetworkTag], T]) -> tuple[T, ...]:
    try:
        return tuple(read(tag) for tag in tags if KINDS.get(tag.kind) == kind)
    except ValueError as error:
        log.warning("no %s is applied: %s", kind, error)
        return ()


def _adapter(tag: NetworkTag) -> AdapterChoice:
    wish = lora_arguments(tag)
    return AdapterChoice(wish.name, wish.text_encoder, wish.unet, wish.rank)


def _hypernetwork(tag: NetworkTag) -> HypernetworkChoice:
    wish = hypernetwork_arguments(tag)
    return HypernetworkChoice(wish.name, wish.multiplier)
