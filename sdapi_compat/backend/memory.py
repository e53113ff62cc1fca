"""The facts of GET /sdapi/v1/memory. Torch-free: the GPU is asked only where torch is already in use."""

from __future__ import annotations

import sys
from typing import Any

import psutil


def memory_facts() -> dict[str, Any]:
    """{"ram": {free, used, total} in bytes, "cuda": figures or {"error": reason}}.

    A1111 1.10.1 behaviour: "used" is this process, "free" the rest of the machine; free and total are floats.
    """
    return {"ram": _ram(), "cuda": _cuda(sys.modules.get("torch"))}


def _ram() -> dict[str, float]:
    used = psutil.Process().memory_info().rss
    total = float(psutil.virtual_memory().total)
    return {"free": total - used, "used": used, "total": total}


def _cuda(torch: Any) -> dict[str, Any]:
    if torch is None or not torch.cuda.is_available():
        return {"error": "unavailable"}
    try:
        free, total = torch.cuda.mem_get_info()
        stats = dict(torch.cuda.memory_stats())
    except RuntimeError as error:
        return {"error": str(error)}
    return {
        "system": {"free": free, "used": total - free, "total": total},
        "active": _current_and_peak(stats, "active_bytes.all"),
        "allocated": _current_and_peak(stats, "allocated_bytes.all"),
        "reserved": _current_and_peak(stats, "reserved_bytes.all"),
        "inactive": _current_and_peak(stats, "inactive_split_bytes.all"),
        "events": {"retries": stats.get("num_alloc_retries", 0), "oom": stats.get("num_ooms", 0)},
    }


def _current_and_peak(stats: dict[str, int], name: str) -> dict[str, int]:
    return {"current": stats.get(f"{name}.current", 0), "peak": stats.get(f"{name}.peak", 0)}
