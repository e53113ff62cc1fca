"""Picture files in memory, with texts in every place that programs use."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, PngImagePlugin, features
from PIL.ExifTags import IFD, Base

TEXT = (
    'a "red" 模型 😀, größe\nNegative prompt: blurry\nSteps: 6, Sampler: Euler a, Seed: 1, Version: v1.10.1'
)

LOSSY = ["jpg", "jpeg", "webp", *(["avif"] if features.check("avif") else [])]
FORMATS = ["png", *LOSSY, "gif"]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def saved(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return opened(file.getvalue())


def comment_exif(comment: bytes | str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.UserComment] = comment
    return exif.tobytes()


def with_texts(**texts: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    return info
