"""The public protocol of scripts/ and extensions/: import from here, `sdapi_compat.imaging` and `.errors`.

A *script* is chosen by `script_name`. It takes the request as a `Draft`, yields the drafts it wants made and
receives an `Outcome` for each. An *extension* is always on: it may change the draft, change the plan, look at
every denoised latent, and add routes. Neither can harm more than the request it works on.
"""

from __future__ import annotations

from sdapi_compat.engine.hooks import Blending, Sampled
from sdapi_compat.engine.job import Keep, Outcome, Picture
from sdapi_compat.metadata.infotext import extended
from sdapi_compat.plan.draft import Draft
from sdapi_compat.plan.plan import Inversion
from sdapi_compat.plan.world import World
from sdapi_compat.scripting.arguments import argument, refused
from sdapi_compat.scripting.legends import legend_style
from sdapi_compat.scripting.protocol import Extension, Script

__all__ = [
    "Blending",
    "Draft",
    "Extension",
    "Inversion",
    "Keep",
    "Outcome",
    "Picture",
    "Sampled",
    "Script",
    "World",
    "argument",
    "extended",
    "legend_style",
    "refused",
]
