"""The tiny decoder imitates the model's own, and the server takes it for TAESD."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from safetensors.torch import load_file

from sdapi_compat.embedded.train.autoencoder import psnr
from sdapi_compat.embedded.train.frozen import encode_pictures
from sdapi_compat.embedded.train.scenes import render, sample_scene
from sdapi_compat.embedded.train.tiny_decoder import WIDTH, build_decoder, decode

LARGEST_BYTES = 500_000
#: What a picture that is grey all over reaches is about 8 dB.
LEAST_DECIBEL = 15.0
PATIENCE_SECONDS = 120.0


def decibel(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return 10 * math.log10(255.0**2 / float(np.square(first - second).mean()))


def test_it_is_small_and_half_precision(companions: Any) -> None:
    assert companions.tiny_decoder.stat().st_size <= LARGEST_BYTES
    tensors = load_file(companions.tiny_decoder)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    widths = (WIDTH,) * 4
    AutoencoderTiny(decoder_block_out_channels=widths).decoder.load_state_dict(tensors)


def test_it_imitates_the_decoder(companions: Any, frozen: Any, concepts: Any) -> None:
    import random

    rng = random.Random(7)
    latents = encode_pictures(frozen, [render(sample_scene(rng, concepts), 256) for _ in range(3)])
    wanted = decode(frozen, latents)
    decoder = build_decoder(4)
    with torch.no_grad():
        before = psnr(decoder(latents), wanted)
        decoder.load_state_dict(load_file(companions.tiny_decoder))
        after = psnr(decoder(latents), wanted)
    assert after > LEAST_DECIBEL
    assert after > before + 3


def test_pictures_decoded_by_it(drawing: Any) -> None:
    full = drawing.draw("red heart")
    tiny = drawing.draw("red heart", override_settings={"sd_vae_decode_method": "TAESD"})
    assert np.abs(full - tiny).max() > 0
    assert decibel(full, tiny) > LEAST_DECIBEL


def test_the_last_preview_resembles_the_picture(drawing: Any, pictures: Any) -> None:
    server = drawing.server
    settings = {"show_progress_type": "TAESD", "show_progress_every_n_steps": 1}
    fields = {"steps": 24, "width": 256, "height": 256, "prompt": "red heart"}
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(server.txt2img, force_task_id="task(tiny)", override_settings=settings, **fields)
        end = time.monotonic() + PATIENCE_SECONDS
        shown = None
        while not reply.done() and time.monotonic() < end:
            seen = server.get("/sdapi/v1/progress?id_task=task(tiny)").json()
            if seen["current_image"]:
                shown = pictures.decode(seen["current_image"])
        picture = drawing.read(reply.result())
    assert shown is not None
    assert shown.size == (256, 256)
    assert decibel(np.asarray(shown.convert("RGB"), dtype=np.float32), picture) > LEAST_DECIBEL
