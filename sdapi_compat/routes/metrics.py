"""GET /metrics: what the server is doing, in the text format of Prometheus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from starlette.responses import Response

from sdapi_compat.routes.state import services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric
    from starlette.requests import Request

    from sdapi_compat.engine.engine import Engine
    from sdapi_compat.engine.tally import Kind

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(request: Request) -> Response:
    """GET /metrics. Reading it costs no model call and waits for none."""
    registry = CollectorRegistry()
    registry.register(Readings(services(request).engine))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE)


class Readings:
    """The engine's counts and the process's memory, read anew at each scrape."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        yield from self._jobs()
        yield from self._forwards()
        yield from self._prompts()
        # Read on the event loop, by the route above.
        tasks = len(asyncio.all_tasks())
        yield GaugeMetricFamily("sdapi_asyncio_tasks", "Tasks of the event loop.", tasks)
        memory = psutil.Process().memory_info().rss
        yield GaugeMetricFamily("sdapi_resident_memory_bytes", "Memory of the process.", memory)

    def _jobs(self) -> Iterator[Metric]:
        queue = self._engine.queue
        waiting, running = len(queue.waiting()), len(queue.running())
        yield GaugeMetricFamily("sdapi_jobs_waiting", "Generations that wait for the device.", waiting)
        yield GaugeMetricFamily("sdapi_jobs_running", "Generations in work.", running)
        ended = CounterMetricFamily("sdapi_jobs", "Generations that ended.", labels=["state"])
        counts, wait = queue.counts()
        for state, count in counts.items():
            ended.add_metric([state.value], count)
        yield ended
        name, text = "sdapi_job_wait_seconds", "Time between a generation's coming and its begin."
        yield SummaryMetricFamily(name, text, count_value=wait.begun, sum_value=wait.seconds)

    def _forwards(self) -> Iterator[Metric]:
        kinds = dict(self._engine.tally.kinds)

        def family(name: str, text: str, attribute: str) -> Metric:
            metric = CounterMetricFamily(name, text, labels=["kind"])
            for label, kind in kinds.items():
                metric.add_metric([label], _number(kind, attribute))
            return metric

        yield family("sdapi_model_calls", "Model calls by kind.", "forwards")
        yield family("sdapi_model_call_seconds", "Time in model calls by kind.", "seconds")
        yield family("sdapi_model_call_rows", "Rows of all model calls; by calls: the batch size.", "rows")
        yield family("sdapi_model_call_parts", "Requests that were answered by model calls.", "asks")

    def _prompts(self) -> Iterator[Metric]:
        tally = self._engine.tally
        cache = CounterMetricFamily("sdapi_prompt_cache", "Prompts encoded or remembered.", labels=["result"])
        cache.add_metric(["hit"], tally.prompts_remembered)
        cache.add_metric(["miss"], tally.prompts_encoded)
        yield cache


def _number(kind: Kind, attribute: str) -> float:
    return float(getattr(kind, attribute))
