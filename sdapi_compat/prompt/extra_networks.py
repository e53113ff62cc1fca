"""Extra-network tags in prompts: `<lora:name:0.8>`, `<hypernet:name:1>`."""

from __future__ import annotations

import re
from typing import NamedTuple

LORA, HYPERNETWORK = "lora", "hypernet"
KINDS = {"lora": LORA, "lyco": LORA, "hypernet": HYPERNETWORK}
"""The words of tags that mean something, and which kind of network each means."""

_HEAD = re.compile(r"<(\w+):")


class NetworkTag(NamedTuple):
    """One tag: `kind` is the word before the first colon, the rest is split at colons.

    An argument with exactly one "=" is in `named` (the last of a name wins), every other one in `positional`.
    """

    kind: str
    positional: tuple[str, ...]
    named: dict[str, str]


class LoraArguments(NamedTuple):
    """What `<lora:name:te:unet:dyn>` asks for; `rank` None means the full rank."""

    name: str
    text_encoder: float
    unet: float
    rank: int | None


class HypernetworkArguments(NamedTuple):
    """What `<hypernet:name:multiplier>` asks for."""

    name: str
    multiplier: float


def extract(prompt: str) -> tuple[str, list[NetworkTag]]:
    """Take all tags out of a positive prompt; returns the remaining text and the tags in their order.

    A1111 1.10.1 behaviour: a tag is "<", word characters, ":", one or more characters other than ">", ">".
    Spaces and commas around it stay. Tags of unknown kinds are taken out like any other.
    """
    kept: list[str] = []
    tags: list[NetworkTag] = []
    start = position = 0
    while head := _HEAD.search(prompt, position):
        end = prompt.find(">", head.end())
        if end < 0:
            break
        if end == head.end():
            position = end
            continue
        kept.append(prompt[start : head.start()])
        tags.append(_tag(head[1], prompt[head.end() : end]))
        start = position = end + 1
    kept.append(prompt[start:])
    return "".join(kept), tags


def _tag(kind: str, arguments: str) -> NetworkTag:
    positional: list[str] = []
    named: dict[str, str] = {}
    for argument in arguments.split(":"):
        if argument.count("=") == 1:
            name, _, value = argument.partition("=")
            named[name] = value
        else:
            positional.append(argument)
    return NetworkTag(kind, tuple(positional), named)


def lora_arguments(tag: NetworkTag) -> LoraArguments:
    """Read the arguments of a `lora` or `lyco` tag.

    A1111 1.10.1 behaviour: the name is the first positional argument; the text encoder's multiplier is the
    second or `te` (1.0 if absent), the UNet's the third or `unet` (the text encoder's if absent), the rank
    the fourth or `dyn`. Named arguments win, but a malformed positional one is an error all the same.

    Raises ValueError for a tag without a name or with a malformed number; the original then skips all LoRAs
    of the request and generates the image without them.
    """
    if not tag.positional:
        raise ValueError(f"<{tag.kind}> tag names no network")
    name, *numbers = tag.positional
    text_encoder = float(numbers[0]) if numbers else 1.0
    text_encoder = float(tag.named.get("te", text_encoder))
    unet = float(numbers[1]) if len(numbers) > 1 else text_encoder
    unet = float(tag.named.get("unet", unet))
    rank = int(numbers[2]) if len(numbers) > 2 else None
    if "dyn" in tag.named:
        rank = int(tag.named["dyn"])
    return LoraArguments(name, text_encoder, unet, rank)


def hypernetwork_arguments(tag: NetworkTag) -> HypernetworkArguments:
    """Read the arguments of a `hypernet` tag; without a multiplier it is 1.0.

    Raises ValueError as `lora_arguments` does; the original has no named arguments here.
    """
    if not tag.positional or (tag.named and len(tag.positional) == 1):
        raise ValueError(f"<{tag.kind}> tag names no network or no multiplier")
    name, *numbers = tag.positional
    return HypernetworkArguments(name, float(numbers[0]) if numbers else 1.0)
