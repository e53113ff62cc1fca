"""What must be importable in milliseconds stays so: no library that is slow to load comes along."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "accelerate", "scipy")
WEB = ("starlette", "hypercorn")


def loaded(module: str, root: object) -> set[str]:
    """Heavy libraries that importing a module loads."""
    code = f"import sys, {module}; print(*(name for name in {HEAVY + WEB!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=str(root), capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("room", ["errors", "metadata", "options", "prompt", "schema", "settings", "bundled"])
def test_rooms_that_describe_requests(room, repository_root):
    assert loaded(f"sdapi_compat.{room}", repository_root) == set()


@pytest.mark.parametrize("room", ["imaging.resize", "plan.build", "sampling.table"])
def test_rooms_that_plan(room, repository_root):
    assert loaded(f"sdapi_compat.{room}", repository_root) == set()


@pytest.mark.parametrize("module", ["app", "services", "server", "__main__"])
def test_the_port_answers_before_torch_is_loaded(module, repository_root):
    assert loaded(f"sdapi_compat.{module}", repository_root).isdisjoint(HEAVY)
