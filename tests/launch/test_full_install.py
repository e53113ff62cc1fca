"""The whole way of a newcomer, with the real packages: `pytest -m slow tests/launch/test_full_install.py`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
INSTALL_SECONDS = 3600.0
START_SECONDS = 300.0
PICTURE = {"prompt": "a red apple", "steps": 1, "width": 64, "height": 64}

pytestmark = pytest.mark.slow


@pytest.fixture
def copy(tmp_path):
    """What a clone has, without an environment."""
    folder = tmp_path / "product"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "tests", "models", "outputs"))
    return folder


def answer(url: str, body: object = None) -> object:
    """The JSON behind a URL; None while nobody listens there."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=START_SECONDS) as reply:
            return json.load(reply)
    except urllib.error.URLError:
        return None


def test_from_nothing_to_a_picture(copy, free_tcp_port):
    python = getattr(sys, "_base_executable", sys.executable)
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    prepare = [python, "launch.py", "--exit"]
    first = subprocess.run(prepare, cwd=copy, env=environ, timeout=INSTALL_SECONDS, check=False)
    assert first.returncode == 0
    began = time.monotonic()
    subprocess.run(prepare, cwd=copy, env=environ, timeout=60, check=True)
    assert time.monotonic() - began < 10, "nothing is installed again"
    command = [python, "launch.py", "--nowebui", "--port", str(free_tcp_port)]
    with subprocess.Popen(command, cwd=copy, env=environ) as server:
        try:
            url = f"http://127.0.0.1:{free_tcp_port}/sdapi/v1"
            end = time.monotonic() + START_SECONDS
            while answer(f"{url}/sd-models") is None:
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.2)
            reply = answer(f"{url}/txt2img", PICTURE)
        finally:
            server.terminate()
    assert isinstance(reply, dict)
    assert len(reply["images"]) == 1


@pytest.fixture
def free_tcp_port():
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
