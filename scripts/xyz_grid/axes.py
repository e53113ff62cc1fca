"""What an X/Y/Z plot can vary: the table of axes, in A1111 1.10.1's order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from sdapi_compat.errors import ApiError, Fault
from sdapi_compat.sampling.table import SAMPLERS, normalise
from sdapi_compat.scripting import Draft, World

from . import values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Change = Callable[[Draft, Any, Sequence[Any]], Draft]
    Reading = Callable[[str, Draft, World], Any]

TXT2IMG, IMG2IMG = "txt2img", "img2img"
SAMPLER_NAMES = {name.lower(): spec.name for spec in SAMPLERS for name in (spec.name, *spec.aliases)}
NO_REFINER = ("", "None", "none")
YES = ("true", "yes", "y", "1", "codeformer", "gfpgan")


def _field(name: str) -> Change:
    return lambda draft, value, _: draft.change(**{name: value})


def _option(key: str) -> Change:
    return lambda draft, value, _: draft.with_options({key: value})


def _switch(key: str) -> Change:
    return lambda draft, value, _: draft.with_options({key: value.lower() == "true"})


def _hires(name: str) -> Change:
    """A field of the second pass; without one nothing changes."""

    def change(draft: Draft, value: Any, _: Sequence[Any]) -> Draft:
        if draft.hires is None:
            return draft
        return draft.change(hires=msgspec.structs.replace(draft.hires, **{name: value}))

    return change


def _picture(name: str) -> Change:
    """A field of img2img; elsewhere nothing changes."""

    def change(draft: Draft, value: Any, _: Sequence[Any]) -> Draft:
        if draft.picture is None:
            return draft
        return draft.change(picture=msgspec.structs.replace(draft.picture, **{name: value}))

    return change


def _nothing(draft: Draft, value: Any, _: Sequence[Any]) -> Draft:
    return draft


def _search_and_replace(draft: Draft, value: str, all_values: Sequence[str]) -> Draft:
    """Fault "RuntimeError" when the first value is in neither prompt."""
    sought, prompt, negative = all_values[0], str(draft.prompt), str(draft.negative_prompt)
    if sought not in prompt and sought not in negative:
        raise Fault("RuntimeError", f"Prompt S/R did not find {sought} in prompt or negative prompt.")
    return draft.change(prompt=prompt.replace(sought, value), negative_prompt=negative.replace(sought, value))


def _reorder(draft: Draft, value: tuple[str, ...], _: Sequence[Any]) -> Draft:
    """The texts change places, what is between them stays. Fault "RuntimeError" for one that is missing."""
    prompt = str(draft.prompt)
    missing = [text for text in value if text not in prompt]
    if missing:
        raise Fault("RuntimeError", f"Prompt order did not find {missing[0]} in prompt.")
    result = ""
    for old, new in zip(sorted(value, key=prompt.find), value, strict=True):
        before, _found, prompt = prompt.partition(old)
        result += before + new
    return draft.change(prompt=result + prompt)


def _scheduler(draft: Draft, value: str, _: Sequence[Any]) -> Draft:
    return draft.change(scheduler=normalise(draft.sampler, value, fold_default=False).scheduler)


def _styles(draft: Draft, value: str, _: Sequence[Any]) -> Draft:
    return draft.change(styles=(*draft.styles, *value.split(",")))


def _unipc_order(draft: Draft, value: int, _: Sequence[Any]) -> Draft:
    return draft.with_options({"uni_pc_order": min(value, draft.steps - 1)})


def _size(draft: Draft, value: tuple[int, int], _: Sequence[Any]) -> Draft:
    return draft.change(width=value[0], height=value[1])


def _read_sampler(text: str, draft: Draft, world: World) -> str:
    """The name of a sampler given in any case, or by another name."""
    if text.lower() not in SAMPLER_NAMES:
        raise Fault("RuntimeError", f"Unknown sampler: {text}")
    return SAMPLER_NAMES[text.lower()]


def _read_checkpoint(text: str, draft: Draft, world: World) -> str:
    try:
        choice, _ = world.models.named(text, draft.options)
    except Fault:
        raise Fault("RuntimeError", f"Unknown checkpoint: {text}") from None
    return choice.checkpoint


def _read_refiner(text: str, draft: Draft, world: World) -> str | None:
    return None if text in NO_REFINER else _read_checkpoint(text, draft, world)


def _read_vae(text: str, draft: Draft, world: World) -> str:
    """A1111 1.10.1 behaviour: in any case; a name nobody knows means Automatic."""
    known = {name.lower(): name for name in ("None", *world.models.vae_names())}
    return known.get(text.strip().lower(), "Automatic")


def _read_face_restorer(text: str, draft: Draft, world: World) -> str:
    if text.lower() in YES:
        raise ApiError(501, f"Face restore {text} is not built: there is no face restorer on this server")
    return text


def _read_size(text: str, draft: Draft, world: World) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _named(axis: Axis, value: Any) -> str:
    return f"{axis.label}: {round(value, 8) if isinstance(value, float) else value}"


def _bare(axis: Axis, value: Any) -> str:
    return str(value)


def _file_name(axis: Axis, value: Any) -> str:
    return os.path.basename(str(value))


def _listed(axis: Axis, value: Any) -> str:
    return ", ".join(value)


def _blank(axis: Axis, value: Any) -> str:
    return ""


def as_texts(texts: list[str]) -> list[str]:
    return texts


class Axis(NamedTuple):
    """One row of the table.

    `parse`: texts as values. `read`: what `change` is given for a value, or the reason to refuse it.
    `caption`: a value in the legend. `listed`: values come as a list of names. `cost`: how slow a change is.
    `route`: the only one that has it, or None.
    """

    label: str
    parse: Callable[[list[str]], Sequence[Any]]
    change: Change
    read: Reading | None = None
    caption: Callable[[Axis, Any], str] = _named
    listed: bool = False
    cost: float = 0.0
    route: str | None = None


def _integers(label: str, change: Change, **more: Any) -> Axis:
    return Axis(label, values.integers, change, **more)


def _floats(label: str, change: Change, **more: Any) -> Axis:
    return Axis(label, values.floats, change, **more)


def _names(label: str, change: Change, **more: Any) -> Axis:
    return Axis(label, as_texts, change, **{"listed": True} | more)


AXES = (
    Axis("Nothing", as_texts, _nothing, caption=_blank),
    _integers("Seed", _field("seed")),
    _integers("Var. seed", _field("subseed")),
    _floats("Var. strength", _field("subseed_strength")),
    _integers("Steps", _field("steps")),
    _integers("Hires steps", _hires("steps"), route=TXT2IMG),
    _floats("CFG Scale", _field("cfg_scale")),
    _floats("Image CFG Scale", _picture("image_cfg_scale"), route=IMG2IMG),
    Axis("Prompt S/R", as_texts, _search_and_replace, caption=_bare),
    Axis("Prompt order", values.orders, _reorder, caption=_listed),
    _names("Sampler", _field("sampler"), read=_read_sampler, caption=_bare),
    _names("Hires sampler", _hires("sampler"), read=_read_sampler, route=TXT2IMG),
    _names(
        "Checkpoint name",
        _option("sd_model_checkpoint"),
        read=_read_checkpoint,
        caption=_file_name,
        cost=1.0,
    ),
    _floats("Negative Guidance minimum sigma", _field("s_min_uncond")),
    _floats("Sigma Churn", _field("s_churn")),
    _floats("Sigma min", _field("s_tmin")),
    _floats("Sigma max", _field("s_tmax")),
    _floats("Sigma noise", _field("s_noise")),
    _names("Schedule type", _scheduler),
    _floats("Schedule min sigma", _option("sigma_min")),
    _floats("Schedule max sigma", _option("sigma_max")),
    _floats("Schedule rho", _option("rho")),
    _floats("Beta schedule alpha", _option("beta_dist_alpha")),
    _floats("Beta schedule beta", _option("beta_dist_beta")),
    _floats("Eta", _field("eta")),
    _integers("Clip skip", _option("CLIP_stop_at_last_layers")),
    _floats("Denoising", _field("denoising_strength")),
    _floats("Initial noise multiplier", _picture("noise_multiplier")),
    _floats("Extra noise", _option("img2img_extra_noise")),
    _names("Hires upscaler", _hires("upscaler"), route=TXT2IMG),
    _floats("Cond. Image Mask Weight", _option("inpainting_mask_weight"), route=IMG2IMG),
    _names("VAE", _option("sd_vae"), read=_read_vae, cost=0.7),
    _names("Styles", _styles),
    _integers("UniPC Order", _unipc_order, cost=0.5),
    Axis("Face restore", as_texts, _nothing, read=_read_face_restorer, caption=_bare),
    _floats("Token merging ratio", _option("token_merging_ratio")),
    _floats("Token merging ratio high-res", _option("token_merging_ratio_hr")),
    _names("Always discard next-to-last sigma", _switch("always_discard_next_to_last_sigma")),
    _names("SGM noise multiplier", _switch("sgm_noise_multiplier")),
    _names(
        "Refiner checkpoint",
        _field("refiner_checkpoint"),
        read=_read_refiner,
        caption=_file_name,
        cost=1.0,
    ),
    _floats("Refiner switch at", _field("refiner_switch_at")),
    _names("RNG source", _option("randn_source")),
    _names("FP8 mode", _option("fp8_storage"), cost=0.9),
    Axis("Size", as_texts, _size, read=_read_size),
)


def of_route(kind: str) -> list[Axis]:
    """The axes of txt2img or img2img, in the order by whose places requests name them."""
    return [axis for axis in AXES if axis.route in (None, kind)]
