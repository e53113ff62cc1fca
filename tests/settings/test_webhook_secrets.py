from __future__ import annotations

import base64

import pytest

from sdapi_compat.settings import parse
from sdapi_compat.settings.settings import WebhookSecret
from sdapi_compat.settings.webhook_secrets import webhook_secrets

FIRST, SECOND = b"a" * 24, bytes(range(64))


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (None, []),
        ("", []),
        (" , ", []),
        (secret(FIRST), [FIRST]),
        (f" {secret(FIRST)} , {secret(SECOND)},", [FIRST, SECOND]),
    ],
)
def test_secrets(text: str | None, keys: list[bytes]) -> None:
    assert [one.key for one in webhook_secrets(text)] == keys


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        base64.b64encode(FIRST).decode(),
        "whsec_",
        "whsec_hunter2",
        "whsec_!!!!" + base64.b64encode(FIRST).decode(),
        secret(b"x" * 23),
        secret(b"x" * 65),
        f"{secret(FIRST)},hunter2",
    ],
)
def test_what_is_no_secret_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="a webhook secret is") as caught:
        webhook_secrets(text)
    assert "hunter2" not in str(caught.value)


def test_keys_are_never_shown() -> None:
    shown = repr(parse(["--webhook-secret", secret(FIRST)], {}).webhook_secrets)
    assert shown == "(WebhookSecret(<hidden>),)"


def test_the_flag_wins_over_the_environment() -> None:
    environ = {"SDAPI_WEBHOOK_SECRET": secret(SECOND)}
    assert parse([], environ).webhook_secrets == (WebhookSecret(SECOND),)
    assert parse(["--webhook-secret", secret(FIRST)], environ).webhook_secrets == (WebhookSecret(FIRST),)
    assert parse([], {}).webhook_secrets == ()


def test_a_wrong_secret_ends_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--webhook-secret", "hunter2"], {})
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "a webhook secret is" in error
    assert "hunter2" not in error


def test_nothing_of_it_is_in_cmd_flags() -> None:
    settings = parse(["--webhook-secret", secret(FIRST), "--webhook-allow-local", "--max-fetch-mb", "3"], {})
    assert not any("webhook" in name or "fetch" in name for name in settings.flags_reply())
    assert settings.webhook_allow_local
    assert settings.max_fetch_bytes == 3 * 1024 * 1024
