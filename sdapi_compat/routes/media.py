"""Which picture format a client wants: the Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

PICTURES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/avif": "AVIF"}
MEDIA_TYPES = {kind: media for media, kind in PICTURES.items()} | {"GIF": "image/gif"}


def chosen(accept: str | None, offered: Sequence[str]) -> str | None:
    """The first of the media types with the highest quality; None when the client takes none of them."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(text) for text in accept.split(",") if text.strip()]
    best = max(offered, key=lambda media: _quality(media, ranges))
    return best if _quality(best, ranges) > 0 else None


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return name, min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return name, 0.0


def _quality(media: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Of the most exact range that names it."""
    for name in (media, f"{media.partition('/')[0]}/*", "*/*"):
        for given, quality in ranges:
            if given == name:
                return quality
    return 0.0
