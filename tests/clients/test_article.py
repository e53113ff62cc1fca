"""The script that most articles about this API show, with nothing changed but the address."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import requests
from PIL import Image, PngImagePlugin


def test_the_script_of_the_articles(server: Any, tmp_path: Path) -> None:
    url = server.url
    output = tmp_path / "output.png"

    payload = {"prompt": "puppy dog", "steps": 5}
    response = requests.post(url=f"{url}/sdapi/v1/txt2img", json=payload)
    r = response.json()

    for i in r["images"]:
        image = Image.open(io.BytesIO(base64.b64decode(i.split(",", 1)[0])))
        png_payload = {"image": "data:image/png;base64," + i}
        response2 = requests.post(url=f"{url}/sdapi/v1/png-info", json=png_payload)
        pnginfo = PngImagePlugin.PngInfo()
        pnginfo.add_text("parameters", response2.json().get("info"))
        image.save(output, pnginfo=pnginfo)

    told = response2.json()["info"]
    assert told.startswith("puppy dog\nSteps: 5, Sampler: Euler, ")
    with Image.open(output) as saved:
        assert saved.size == (512, 512)
        assert saved.info["parameters"] == told
        extrema = saved.convert("L").getextrema()
        assert extrema[0] < extrema[1], "a picture of one colour"
    again = base64.b64encode(output.read_bytes()).decode()
    response3 = requests.post(url=f"{url}/sdapi/v1/png-info", json={"image": again})
    assert response3.json()["info"] == told
    assert response3.json()["items"] == {}
    assert response3.json()["parameters"]["Prompt"] == "puppy dog"
