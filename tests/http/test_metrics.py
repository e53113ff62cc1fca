"""GET /metrics after real generations, read with Prometheus' own parser."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families


def samples(server: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    reply = server.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def test_generations_are_counted(server: Any) -> None:
    server.txt2img(prompt="a prompt that is counted")
    before = samples(server)
    server.txt2img(prompt="a prompt that is counted", steps=3)
    after = samples(server)

    def grown(name: str, *labels: str) -> float:
        return after[name, labels] - before[name, labels]

    assert grown("sdapi_jobs_total", "finished") == 1
    assert grown("sdapi_jobs_total", "failed") == 0
    assert grown("sdapi_model_calls_total", "Predict") == 3
    assert grown("sdapi_model_call_rows_total", "Predict") == 6, "with guidance a picture has two rows"
    assert grown("sdapi_model_call_seconds_total", "Predict") > 0
    assert grown("sdapi_job_wait_seconds_count") == 1
    assert grown("sdapi_prompt_cache_total", "hit") >= 1
    assert grown("sdapi_prompt_cache_total", "miss") == 0
    assert after["sdapi_jobs_waiting", ()] == 0
    assert after["sdapi_resident_memory_bytes", ()] > 50e6
