"""Options named in infotext, as override_settings."""

from __future__ import annotations

from collections.abc import Mapping

from sdapi_compat.options.option import Option
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.options.table import TABLE
from sdapi_compat.options.values import Value, coerce

LABELLED: tuple[tuple[str, Option], ...] = tuple(
    (option.infotext_label, option) for option in TABLE if option.infotext_label is not None
)


def infotext_overrides(parameters: Mapping[str, object], snapshot: Snapshot) -> dict[str, object]:
    """The options that parsed infotext sets to something else than `snapshot` has.

    A1111 1.10.1 behaviour: a true/false option is false for the text "False" (and for ""), true otherwise;
    other values take the type of the option's default. "Model hash" names the checkpoint unless
    disable_weights_auto_swap is on; "VAE" names a VAE file. Fields that do not fit their option are left out.
    """
    found: dict[str, object] = {}
    for label, option in LABELLED:
        text = parameters.get(label)
        if text is None or (
            option.key == "sd_model_checkpoint" and snapshot.flag("disable_weights_auto_swap")
        ):
            continue
        value = _cast(option, text)
        if value is not None and value != snapshot[option.key]:
            found[option.key] = value
    return found


def _cast(option: Option, text: object) -> Value:
    if isinstance(option.default, bool):
        return str(text) not in ("False", "")
    try:
        return coerce(option, text)
    except ValueError:
        return None
