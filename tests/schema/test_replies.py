"""The reply Structs hold the original's answers, and write them as it does."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from sdapi_compat.schema.progress import InternalProgressResponse, ProgressResponse, ProgressState
from sdapi_compat.schema.routes_table import ROUTES

RESPONSES = {doc.path: doc.response for doc in ROUTES if doc.method == "GET"}


def test_recorded_answers_are_written_byte_for_byte(listings: dict[str, Any]) -> None:
    for path, answer in listings.items():
        value = msgspec.convert(answer, RESPONSES[path])
        assert msgspec.json.encode(value).decode() == json.dumps(answer, separators=(",", ":")), path


def test_an_idle_server_has_no_current_task() -> None:
    idle = json.loads(msgspec.json.encode(ProgressResponse(0.0, 0.0, ProgressState())))
    assert list(idle) == ["progress", "eta_relative", "state", "current_image", "textinfo"]
    busy = ProgressResponse(0.5, 1.0, ProgressState(job="scripts_txt2img"), current_task="task(a)")
    assert json.loads(msgspec.json.encode(busy))["current_task"] == "task(a)"


def test_internal_progress_writes_every_key() -> None:
    reply = json.loads(msgspec.json.encode(InternalProgressResponse(False, True, False)))
    assert list(reply) == [
        "active",
        "queued",
        "completed",
        "progress",
        "eta",
        "live_preview",
        "id_live_preview",
        "textinfo",
    ]
