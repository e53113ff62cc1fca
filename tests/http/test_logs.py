"""What the server writes to its log: each line says which job it is about, and none what was asked for."""

from __future__ import annotations

import json
from typing import Any

SMALL = {"prompt": "a hidden wish", "steps": 1, "width": 64, "height": 64, "sampler_name": "Euler"}


def test_lines_of_json_name_their_job(stocked: Any) -> None:
    server = stocked
    asked = SMALL | {"force_task_id": "first\nline"}
    assert server.post("/sdapi/v1/txt2img", asked).status_code == 200
    broken = SMALL | {"force_task_id": "broken", "prompt": "(hidden wish:1.2.3)"}
    assert server.post("/sdapi/v1/txt2img", broken).status_code == 500
    # The first lines are the greeting, for people.
    text = server.log.read_text()
    assert "hidden wish" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert all({"time", "level", "logger", "message", "job_id"} <= line.keys() for line in lines)
    first = {line.get("event"): line for line in lines if line["job_id"] == "first\nline"}
    assert first["job_admitted"]["kind"] == "txt2img"
    ended = first["job_ended"]
    assert (ended["state"], ended["pictures"], ended["retries"], ended["level"]) == ("finished", 1, 0, "INFO")
    assert ended["took"] > 0
    assert ended["waited"] >= 0
    (access,) = [line for line in lines if line["job_id"] == "first\nline" and "API" in line["message"]]
    assert "/sdapi/v1/txt2img" in access["message"]
    (failed,) = [line for line in lines if line.get("event") == "job_ended" and line["job_id"] == "broken"]
    assert (failed["state"], failed["error"]) == ("failed", "Fault")


def test_lines_of_text_name_their_job(server: Any) -> None:
    asked = SMALL | {"force_task_id": "two\nlines"}
    assert server.post("/sdapi/v1/txt2img", asked).status_code == 200
    text = server.log.read_text()
    assert "[two\\nlines]: txt2img admitted" in text
    assert "[two\\nlines]: txt2img finished, took " in text
    assert "a hidden wish" not in text
