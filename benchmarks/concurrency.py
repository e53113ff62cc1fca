"""Many callers at once: throughput by the number of clients, and how quick the control routes stay.

    python -m benchmarks.concurrency [--sizes 512 256 64] [--clients 1 2 4 8 16] [--waiting 1000]

Starts real servers with the embedded checkpoint: one as it is, and one with --no-merge for comparison.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.server import ready, serving

CONTROL = (
    "/sdapi/v1/progress?skip_current_image=true",
    "/sdapi/v1/options",
    "/sdapi/v1/sd-models",
    "/healthz",
)
BODY = {"prompt": "a red apple", "steps": 20, "sampler_name": "Euler"}


@contextlib.contextmanager
def ready_server(*flags: str) -> Iterator[str]:
    """The URL of a server with these flags, ready to generate."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), *flags) as server:
        ready(server)
        yield server.url


async def throughput(url: str, size: int, clients: int, seconds: float) -> float:
    """Pictures per second of `clients` that ask again as soon as they are answered."""
    done = 0
    end = time.perf_counter() + seconds

    async def client(number: int, http: httpx.AsyncClient) -> None:
        nonlocal done
        seed = 1000 * number
        while time.perf_counter() < end:
            body = BODY | {"width": size, "height": size, "seed": seed}
            reply = await http.post("/sdapi/v1/txt2img", json=body)
            reply.raise_for_status()
            seed += 1
            done += 1

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as http:
        await asyncio.gather(*(client(-1 - number, http) for number in range(clients)))  # warm, not counted
        done, begun = 0, time.perf_counter()
        end = begun + seconds
        await asyncio.gather(*(client(number, http) for number in range(clients)))
        return done / (time.perf_counter() - begun)


def compared(url: str, plain: str, size: int, seconds: float, rounds: int = 5) -> float:
    """The rate of one client against that of the plain loop, in turns: the median of the rounds."""
    shares = []
    for _ in range(rounds):
        ours, other = (asyncio.run(throughput(one, size, 1, 2 * seconds / rounds)) for one in (url, plain))
        shares.append(ours / other)
    return statistics.median(shares)


async def control(url: str, waiting: int, calls: int = 100) -> dict[str, float]:
    """The 99th percentile in milliseconds of each control route while `waiting` callers wait for pictures."""
    limits = httpx.Limits(max_connections=waiting + 10)
    slow: dict[str, list[float]] = {path: [] for path in CONTROL}
    async with httpx.AsyncClient(base_url=url, timeout=3600, limits=limits) as http:
        body = BODY | {"width": 256, "height": 256}
        callers = [asyncio.create_task(http.post("/sdapi/v1/txt2img", json=body)) for _ in range(waiting)]
        while (await http.get("/internal/pending-tasks")).json()["size"] < 0.8 * waiting:
            await asyncio.sleep(0.1)
        async with httpx.AsyncClient(base_url=url, timeout=60) as other:
            for _ in range(calls):
                for path in CONTROL:
                    begun = time.perf_counter()
                    (await other.get(path)).raise_for_status()
                    slow[path].append(1000 * (time.perf_counter() - begun))
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    return {path: sorted(times)[int(0.99 * len(times)) - 1] for path, times in slow.items()}


def main() -> None:
    """Print one table per size, then the control routes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[512, 256, 64])
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each measurement")
    parser.add_argument("--waiting", type=int, default=1000, help="0: leave out the control routes")
    options = parser.parse_args()
    with ready_server() as url, ready_server("--no-merge") as plain:
        for size in options.sizes:
            alone = 0.0
            for clients in options.clients:
                rate = asyncio.run(throughput(url, size, clients, options.seconds))
                alone = alone or rate
                print(f"  {size:4} px  {clients:3} clients  {rate:8.2f}/s  {rate / alone:5.2f}x", flush=True)
            share = compared(url, plain, size, options.seconds)
            print(f"  {size:4} px    1 client against --no-merge  {share:5.2f}x", flush=True)
    if options.waiting:
        with ready_server("--max-queue", str(options.waiting + 10)) as url:
            print(f"control routes with {options.waiting} callers waiting, 99th percentile:")
            for path, milliseconds in asyncio.run(control(url, options.waiting)).items():
                print(f"  {milliseconds:8.1f} ms  {path}")


if __name__ == "__main__":
    main()
