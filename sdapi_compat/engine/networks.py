"""Extra-network tags of a prompt, as adapters of the model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sdapi_compat.plan.plan import AdapterChoice
from sdapi_compat.prompt.extra_networks import extract, lora_arguments

if TYPE_CHECKING:
    from sdapi_compat.plan.plan import NetworkRules

log = logging.getLogger(__name__)
LORA_KINDS = frozenset({"lora", "lyco"})


def adapters_of(prompt: str, rules: NetworkRules) -> tuple[AdapterChoice, ...]:
    """The adapters a positive prompt asks for, in its order.

    A1111 1.10.1 behaviour: one tag with a malformed number switches all of the request's LoRAs off.
    """
    if not rules.enabled:
        return ()
    tags = [tag for tag in extract(prompt)[1] if tag.kind in LORA_KINDS]
    try:
        wishes = [lora_arguments(tag) for tag in tags]
    except ValueError as error:
        log.warning("no LoRA is applied: %s", error)
        return ()
    return tuple(AdapterChoice(wish.name, wish.text_encoder, wish.unet, wish.rank) for wish in wishes)
