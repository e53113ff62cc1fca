from __future__ import annotations

import pytest

from sdapi_compat.errors import Fault
from sdapi_compat.options.policy import OPEN, FreezePolicy
from sdapi_compat.options.table import BY_KEY, TABLE


def test_open_policy_lets_everything_pass() -> None:
    for option in TABLE:
        OPEN.check(option)
        assert not OPEN.ignores(option)


def test_hidden_paths_ignore_paths_only() -> None:
    policy = FreezePolicy(paths=True)
    assert {option.key for option in TABLE if policy.ignores(option)} == {o.key for o in TABLE if o.path}
    policy.check(BY_KEY["outdir_save"])


def test_section_and_key_freeze_only_themselves() -> None:
    policy = FreezePolicy(sections=frozenset({"saving-paths"}), keys=frozenset({"tiling"}))
    frozen = set()
    for option in TABLE:
        try:
            policy.check(option)
        except Fault:
            frozen.add(option.key)
    assert frozen == {"tiling"} | {o.key for o in TABLE if o.section.key == "saving-paths"}


def test_everything_frozen() -> None:
    with pytest.raises(Fault, match="--freeze-settings"):
        FreezePolicy(everything=True).check(BY_KEY["disabled_extensions"])
