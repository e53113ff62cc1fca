"""Users of the server from --api-auth, --gradio-auth and --gradio-auth-path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdapi_compat.settings.settings import User


def all_users(values: Mapping[str, Any]) -> tuple[User, ...]:
    """The users of all three flags; of two with one name the later counts.

    Raises ValueError for an entry that is not "name:password", without repeating it, and OSError for a file
    that cannot be read.
    """
    texts = [("--api-auth", values["api_auth"]), ("--gradio-auth", values["gradio_auth"])]
    if values["gradio_auth_path"] is not None:
        content = Path(values["gradio_auth_path"]).read_text(encoding="utf-8-sig")
        texts.append(("the file of --gradio-auth-path", content.replace("\n", ",")))
    found = {user.name: user for source, text in texts for user in users(source, text or "")}
    return tuple(found.values())


def users(source: str, text: str) -> list[User]:
    """The users in "name:password,name:password"; passwords may hold ":"."""
    found: list[User] = []
    # Batch files pass quotes on.
    for entry in text.strip().strip('"').split(","):
        name, colon, password = entry.strip().partition(":")
        if not (name or colon):
            continue
        if not (name and password):
            raise ValueError(f'{source}: an entry is not "name:password"')
        found.append(User(name, password))
    return found
