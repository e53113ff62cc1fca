"""The short version of `python -m benchmarks.soak`: callers that come and go, each with one right answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks import soak
from benchmarks.server import ready, serving

CLIENTS, SECONDS = 24, 4.0


def test_every_request_has_its_own_answer_and_nothing_is_left_behind(tmp_path: Path) -> None:
    soak.prepare(tmp_path)
    with serving(tmp_path, *soak.FLAGS) as server:
        ready(server)
        run = asyncio.run(soak.soak(server, CLIENTS, SECONDS))
    assert run.wrong == []
    assert {"waited for", "fetched later", "followed", "cancelled", "changed options"} <= run.counted.keys()
    assert sum(count for name, count in run.counted.items() if name.startswith("hung up")) > 0
    assert "Traceback" not in (tmp_path / "server.log").read_text()
