"""What a generation reply says of its request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.own_fields import OWN_FIELDS

if TYPE_CHECKING:
    from sdapi_compat.routes.intake import GenerationRequest


def echo(request: GenerationRequest, given: frozenset[str]) -> dict[str, object]:
    """The reply's `parameters`: the request with defaults, without the pictures unless asked for.

    Fields the original does not have are left out unless they are among those the client gave.
    """
    hidden = OWN_FIELDS - given
    fields = {name: value for name, value in msgspec.structs.asdict(request).items() if name not in hidden}
    if isinstance(request, StableDiffusionProcessingImg2Img) and not request.include_init_images:
        fields |= {"init_images": None, "mask": None}
    return fields
