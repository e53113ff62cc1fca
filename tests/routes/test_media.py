from __future__ import annotations

import pytest

from sdapi_compat.routes.media import chosen

OFFERED = ["image/jpeg", "image/png", "image/webp"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "image/jpeg"),
        (" ", "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("image/png", "image/png"),
        ("IMAGE/PNG;Q=0.3", "image/png"),
        ("image/png;q=0.3, image/webp; q=0.9", "image/webp"),
        ("image/*;q=0.5, image/webp", "image/webp"),
        ("text/html, image/avif, */*;q=0.1", "image/jpeg"),
        ("image/jpeg;q=0, */*", "image/png"),
        ("image/jpeg;q=0, image/*;q=0.2, */*;q=0.9", "image/png"),
        ("text/html", None),
        ("image/png;q=0", None),
        ("image/png;q=much", None),
        (",;,", None),
    ],
)
def test_what_a_client_gets(accept: str | None, media: str | None) -> None:
    assert chosen(accept, OFFERED) == media
