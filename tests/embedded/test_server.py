"""The server that the scores and the contact sheet are drawn with."""

from __future__ import annotations

import sys

import pytest

from sdapi_compat.embedded.train.server import ask, data_url, draw, serving

SMALL = {"prompt": "cat", "steps": 1, "width": 64, "height": 64, "seed": 1}


def test_a_server_is_started_and_ended() -> None:
    with serving() as url:
        titles = [entry["model_name"] for entry in ask(f"{url}/sdapi/v1/sd-models")]
        assert titles == ["emoji-sd"]
        picture = draw(url, SMALL)
        assert picture.size == (64, 64)
        start = {"init_images": [data_url(picture)], "denoising_strength": 0.4}
        assert draw(url, SMALL | start, "img2img").size == (64, 64)
    with pytest.raises(OSError, match="refused"):
        ask(f"{url}/sdapi/v1/sd-models")


def test_a_server_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="did not start"), serving():
        pass
