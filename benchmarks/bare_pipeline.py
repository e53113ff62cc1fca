"""diffusers' own Stable Diffusion pipeline, as anybody would call it: the other side of generation.py.

Reads requests as JSON lines from standard input, {"prompt", "steps", "size", "seed"}, makes each picture and
answers with a line {"seconds", "unet_seconds"}: the whole call, and its UNet forwards.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

NEGATIVE, GUIDANCE = "blurry", 7.0


class Stopwatch:
    """Seconds in forwards of a module. On a GPU it waits for the device, as a picture has to in the end."""

    def __init__(self, module: Any) -> None:
        self.seconds = 0.0
        self._begun = 0.0
        module.register_forward_pre_hook(self._start)
        module.register_forward_hook(self._stop)

    def _start(self, *_: Any) -> None:
        wait()
        self._begun = time.perf_counter()

    def _stop(self, *_: Any) -> None:
        wait()
        self.seconds += time.perf_counter() - self._begun


def wait() -> None:
    """Until the GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def load(folder: str, dtype: str) -> Any:
    """The pipeline of a checkpoint folder with the Euler scheduler, on the GPU where there is one."""
    loaded: Any = StableDiffusionPipeline
    pipeline = loaded.from_pretrained(
        folder, torch_dtype=getattr(torch, dtype), safety_checker=None, local_files_only=True
    )
    scheduler: Any = EulerDiscreteScheduler
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")


def main() -> None:
    """Answer requests until standard input ends."""
    folder, dtype = sys.argv[1:]
    pipeline = load(folder, dtype)
    watch = Stopwatch(pipeline.unet)
    for line in sys.stdin:
        asked = json.loads(line)
        watch.seconds = 0.0
        begun = time.perf_counter()
        pipeline(
            asked["prompt"],
            negative_prompt=NEGATIVE,
            guidance_scale=GUIDANCE,
            num_inference_steps=asked["steps"],
            width=asked["size"],
            height=asked["size"],
            generator=torch.Generator().manual_seed(asked["seed"]),
        )
        told = {"seconds": time.perf_counter() - begun, "unet_seconds": watch.seconds}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
