from __future__ import annotations

from pathlib import Path

import pytest

from sdapi_compat.settings.settings import User
from sdapi_compat.settings.users import all_users, users

NONE = {"api_auth": None, "gradio_auth": None, "gradio_auth_path": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a:b", [User("a", "b")]),
        ("a:b:c:", [User("a", "b:c:")]),
        ("a:b, c:d ,", [User("a", "b"), User("c", "d")]),
        ('"a:b,c:d"', [User("a", "b"), User("c", "d")]),
        ("ä:日本", [User("ä", "日本")]),
    ],
)
def test_users_of_a_text(text: str, expected: list[User]) -> None:
    assert users("--api-auth", text) == expected


@pytest.mark.parametrize("text", ["secret", "a:", ":secret", "a:b,secret", ":"])
def test_entries_that_are_no_user(text: str) -> None:
    with pytest.raises(ValueError, match='--api-auth: an entry is not "name:password"') as caught:
        users("--api-auth", text)
    assert "secret" not in str(caught.value)


def test_users_of_all_flags_together(tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    path.write_bytes(b"\xef\xbb\xbfe:f,g:h\r\n\ni:j\n")
    values = {"api_auth": "a:b", "gradio_auth": "c:d,a:later", "gradio_auth_path": str(path)}
    assert all_users(values) == (
        User("a", "later"),
        User("c", "d"),
        User("e", "f"),
        User("g", "h"),
        User("i", "j"),
    )


def test_nobody() -> None:
    assert all_users(NONE) == ()


def test_missing_file() -> None:
    with pytest.raises(OSError, match="nope"):
        all_users({**NONE, "gradio_auth_path": "/nope"})


def test_password_is_not_shown() -> None:
    assert repr(User("alice", "hunter")) == "User(name='alice', password=<hidden>)"
