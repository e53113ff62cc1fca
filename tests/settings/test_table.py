from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdapi_compat.settings.flag import WORKS, Flag
from sdapi_compat.settings.table import FLAGS, GROUPS

ORIGINAL = json.loads((Path(__file__).parent / "data" / "cmd_flags.json").read_text(encoding="utf-8"))


def test_every_flag_of_the_original_is_there_and_nothing_else_is_listed() -> None:
    assert {flag.key for flag in FLAGS if flag.listed} == ORIGINAL.keys()


def test_our_own_flags_are_not_listed() -> None:
    assert {flag.name for flag in FLAGS if not flag.listed} == {
        "--max-body-mb",
        "--max-pixels",
        "--max-image-size",
        "--max-queue",
        "--max-jobs-per-key",
        "--log-format",
        "--max-batch",
        "--no-merge",
        "--watchdog-seconds",
        "--on-disconnect",
        "--no-job-store",
        "--jobs-dir",
        "--jobs-max-age",
        "--jobs-max-mb",
        "--graceful-timeout",
        "--tiled-vae-above",
        "--max-fetch-mb",
        "--webhook-secret",
        "--webhook-allow-local",
        "--scripts-dir",
        "--extensions-dir",
        "--exit",
    }


def test_names_are_unique() -> None:
    assert len({flag.name for flag in FLAGS}) == len({flag.key for flag in FLAGS}) == len(FLAGS)
    assert sum(len(flags) for _, flags in GROUPS) == len(FLAGS)


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_flag_says_what_it_does(flag: Flag) -> None:
    assert flag.sentence.endswith(".")
    assert flag.effect.startswith((WORKS, "no effect, because "))


@pytest.mark.parametrize("name", ["api_auth", "gradio_auth", "ngrok", "ngrok_options", "tls_keyfile"])
def test_secrets_are_marked(name: str) -> None:
    assert {flag.key: flag.secret for flag in FLAGS}[name]
