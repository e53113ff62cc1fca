"""Many clients that come and go for two minutes: `python -m benchmarks.soak [--clients 200] [--seconds 120]`.

Each client waits for pictures, fetches them later, follows jobs, cancels them, hangs up, chooses another
model or changes options, at random. At the end every request must have had exactly one right answer (its own
prompt, seed and model in its own infotext), and the process as many threads, open files and asyncio tasks as
before.
`--memory 2000` sends that many plain requests instead and prints how the resident memory grew. `--others 0`
leaves out the requests for another model, each of which may have one read from its file.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.server import Server, ready, serving
from sdapi_compat.embedded import CHECKPOINT_DIR

TXT2IMG = "/sdapi/v1/txt2img"
SMALL = {"width": 64, "height": 64, "sampler_name": "Euler"}
FINAL = ("finished", "failed", "cancelled")
OTHER = "other"
OTHERS = 0.1
GAUGE = re.compile(r"^(sdapi_\w+) (\S+)$", re.MULTILINE)
FLAGS = ("--ckpt", str(CHECKPOINT_DIR))
POLL_SECONDS = 1.0
SETTLE_SECONDS = 30.0
#: Workers that asyncio.to_thread keeps: as many as Python's default executor may have.
ALLOWED = {"threads": 32}
CLIENT_SECONDS = 600.0


class Soak:
    """What the clients share: the server, what they counted, and what was wrong."""

    def __init__(self, http: httpx.AsyncClient, seed: int, others: float = OTHERS) -> None:
        """`others`: share of the requests that want another model."""
        self.http = http
        self.others = others
        self.counted: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._seed = seed
        self._made = 0

    async def client(self, number: int, end: float) -> None:
        """One caller, who does one thing after another until `end` (monotonic seconds)."""
        chance = random.Random(self._seed * 1000 + number)
        acts: list[Callable[[random.Random], Awaitable[str]]] = [
            *(self.wait, self.wait, self.fetch, self.follow),
            *(self.cancel, self.hang_up, self.change_options),
        ]
        while time.monotonic() < end:
            act = chance.choice(acts)
            try:
                self.counted[await act(chance)] += 1
            except (httpx.HTTPError, AssertionError, KeyError, ValueError) as error:
                self.wrong.append(f"{act.__name__}: {error!r}")

    def request(self, chance: random.Random) -> dict[str, Any]:
        """A picture that nobody else asks for."""
        self._made += 1
        name = f"soak-{self._made}"
        asked = {
            "prompt": f"wish {name}",
            "seed": self._made,
            "steps": chance.randint(1, 6),
            "force_task_id": name,
        }
        if chance.random() < self.others:
            asked["override_settings"] = {"sd_model_checkpoint": OTHER}
        return SMALL | asked

    async def wait(self, chance: random.Random) -> str:
        """The usual call."""
        asked = self.request(chance)
        reply = await self.http.post(TXT2IMG, json=asked)
        assert reply.status_code == 200, reply.text
        check(asked, reply.json())
        return "waited for"

    async def fetch(self, chance: random.Random) -> str:
        """Ask now, look later."""
        asked, path = await self._begin(chance)
        check(asked, (await self._ended(path))["result"])
        return "fetched later"

    async def follow(self, chance: random.Random) -> str:
        """Ask now, and follow the job's events."""
        asked, path = await self._begin(chance)
        async with self.http.stream("GET", f"{path}/events") as events:
            told = [json.loads(line[6:]) async for line in events.aiter_lines() if line.startswith("data: ")]
        assert told[-1]["state"] == "finished", told[-1]
        check(asked, (await self.http.get(path)).json()["result"])
        return "followed"

    async def cancel(self, chance: random.Random) -> str:
        """Ask, and want it no longer."""
        asked, path = await self._begin(chance)
        await asyncio.sleep(chance.random())
        reply = await self.http.delete(path)
        assert reply.status_code == 200, reply.text
        if reply.json()["state"] == "finished":
            return "finished before it was cancelled"
        job = await self._ended(path)
        assert (job["state"], job["result"], job["id"]) == ("cancelled", None, asked["force_task_id"]), job
        return "cancelled"

    async def hang_up(self, chance: random.Random) -> str:
        """Close the connection while the picture is made."""
        asked, policy = self.request(chance), chance.choice(("cancel", "finish"))
        call = self.http.post(TXT2IMG, json=asked, headers={"X-On-Disconnect": policy})
        with contextlib.suppress(asyncio.TimeoutError):
            reply = await asyncio.wait_for(call, chance.random())
            check(asked, reply.json())
            return "answered before it hung up"
        path = f"/sdapi/v1/jobs/{asked['force_task_id']}"
        if (await self.http.get(path)).status_code == 404:
            # Gone before its request had been read.
            return "hung up at once"
        job = await self._ended(path)
        if job["state"] == "finished":
            check(asked, job["result"])
        else:
            assert (job["state"], policy) == ("cancelled", "cancel"), job
        return f"hung up, {job['state']}"

    async def change_options(self, chance: random.Random) -> str:
        """Change options under everybody's feet."""
        changes = {"CLIP_stop_at_last_layers": chance.choice((1, 2)), "n_rows": chance.randint(-1, 8)}
        reply = await self.http.post("/sdapi/v1/options", json=changes)
        assert reply.status_code == 200, reply.text
        return "changed options"

    async def _begin(self, chance: random.Random) -> tuple[dict[str, Any], str]:
        asked = self.request(chance)
        reply = await self.http.post(TXT2IMG, json=asked, headers={"Prefer": "respond-async"})
        assert reply.status_code == 202, reply.text
        return asked, reply.headers["location"]

    async def _ended(self, path: str) -> dict[str, Any]:
        while True:
            job = (await self.http.get(path)).json()
            if job["state"] in FINAL:
                return dict(job)
            await asyncio.sleep(POLL_SECONDS)


def check(asked: dict[str, Any], reply: dict[str, Any]) -> None:
    """AssertionError unless it is the answer to this request, and to no other."""
    info = json.loads(reply["info"])
    assert len(reply["images"]) == len(info["infotexts"]) == 1
    infotext = info["infotexts"][0]
    assert infotext.startswith(f"{asked['prompt']}\n"), infotext
    assert f"Steps: {asked['steps']}, " in infotext, infotext
    assert f"Seed: {asked['seed']}, " in infotext, infotext
    assert (f"Model: {OTHER}" in infotext) == ("override_settings" in asked), infotext


async def held(http: httpx.AsyncClient, process: psutil.Process) -> dict[str, float]:
    """What a server holds: threads and open files of the process, and what it says of itself."""
    gauges = {name: float(value) for name, value in GAUGE.findall((await http.get("/metrics")).text)}
    told = {name: gauges[f"sdapi_{name}"] for name in ("jobs_waiting", "jobs_running", "asyncio_tasks")}
    return {**told, "threads": process.num_threads(), "files": process.num_fds()}


async def soak(server: Server, clients: int, seconds: float, seed: int = 1, others: float = OTHERS) -> Soak:
    """Let the clients loose; leaks end up in `wrong` beside the wrong answers."""
    process = psutil.Process(server.process.pid)
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as quiet:
        warm = SMALL | {"steps": 1, "prompt": "x"}
        for overrides in ({"sd_model_checkpoint": OTHER}, {}):
            (await quiet.post(TXT2IMG, json=warm | {"override_settings": overrides})).raise_for_status()
        before = await held(quiet, process)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=clients)
        async with httpx.AsyncClient(base_url=server.url, timeout=CLIENT_SECONDS, limits=limits) as http:
            run = Soak(http, seed, others)
            end = time.monotonic() + seconds
            await asyncio.gather(*(run.client(number, end) for number in range(clients)))
        run.wrong += await leaks(quiet, process, before)
    return run


async def leaks(http: httpx.AsyncClient, process: psutil.Process, before: dict[str, float]) -> list[str]:
    """What the server still holds more than before, after a while to settle."""
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        now = await held(http, process)
        more = [name for name in before if now[name] > before[name] + ALLOWED.get(name, 0)]
        if not more or time.monotonic() > end:
            return [f"{name}: {before[name]} before, {now[name]} after" for name in more]
        await asyncio.sleep(0.5)


async def grown(server: Server, requests: int, others: float = OTHERS) -> list[int]:
    """Resident bytes after each twentieth of so many plain requests of eight clients."""
    process = psutil.Process(server.process.pid)
    chances = [random.Random(number) for number in range(8)]
    measured = []
    async with httpx.AsyncClient(base_url=server.url, timeout=CLIENT_SECONDS) as http:
        run = Soak(http, 1, others)

        async def client(chance: random.Random, count: int) -> None:
            for _ in range(count):
                await run.wait(chance)

        part = max(1, requests // 20 // 8)
        for _ in range(20):
            await asyncio.gather(*(client(chance, part) for chance in chances))
            measured.append(process.memory_info().rss)
    return measured


def main() -> int:
    """Print what was done and what was wrong; the exit status says whether anything was."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", type=int, default=0, metavar="REQUESTS")
    parser.add_argument("--others", type=float, default=OTHERS, metavar="SHARE")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        with serving(Path(folder), *FLAGS, "--max-queue", str(asked.clients + 10)) as server:
            ready(server)
            if asked.memory:
                return tell_memory(asyncio.run(grown(server, asked.memory, asked.others)))
            run = asyncio.run(soak(server, asked.clients, asked.seconds, asked.seed, asked.others))
    for name, count in sorted(run.counted.items()):
        print(f"{count:6} {name}")
    print(f"{len(run.wrong):6} wrong")
    for text in run.wrong[:20]:
        print(f"       {text[:300]}")
    return 1 if run.wrong else 0


def prepare(folder: Path) -> None:
    """A second checkpoint beside the one that comes along."""
    shutil.copytree(CHECKPOINT_DIR, folder / "models/Stable-diffusion" / OTHER)


def tell_memory(measured: list[int]) -> int:
    """Print the resident memory over time, and its slope over the second half."""
    half = measured[len(measured) // 2 :]
    slope = statistics.linear_regression(range(len(half)), half).slope
    print("resident MiB:", " ".join(f"{size / 2**20:.0f}" for size in measured))
    print(f"slope over the second half: {slope / 2**20:+.2f} MiB per twentieth of the requests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
