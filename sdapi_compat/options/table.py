"""All options of A1111 1.10.1, in the order in which GET /sdapi/v1/options shows them.

A1111 1.10.1 behaviour: 312 options are declared when the API starts without the web interface; its upscaler
and Hypertile extensions add 16 more when the interface is built. Here all 328 are always present.
"""

from __future__ import annotations

from types import MappingProxyType

from sdapi_compat.options.option import Option
from sdapi_compat.options.table_extensions import CANVAS_AND_REST, HIDDEN_AND_LORA
from sdapi_compat.options.table_interface import NETWORK_PAGES, UI_PAGES
from sdapi_compat.options.table_model import MODEL, TUNING
from sdapi_compat.options.table_sampling import INFOTEXT_AND_PREVIEWS, SAMPLERS
from sdapi_compat.options.table_saving import SAVING
from sdapi_compat.options.table_system import SYSTEM_PAGES, UPSCALERS_AND_FACES

TABLE: tuple[Option, ...] = (
    *SAVING,
    *UPSCALERS_AND_FACES,
    *SYSTEM_PAGES,
    *MODEL,
    *TUNING,
    *NETWORK_PAGES,
    *UI_PAGES,
    *INFOTEXT_AND_PREVIEWS,
    *SAMPLERS,
    *HIDDEN_AND_LORA,
    *CANVAS_AND_REST,
)

BY_KEY: MappingProxyType[str, Option] = MappingProxyType({option.key: option for option in TABLE})
