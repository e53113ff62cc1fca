"""Pages for people, probes, facts about the machine, and the routes that end the server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).absolute().parents[2]
COMMAND = [sys.executable, "-m", "sdapi_compat", "--nowebui"]


def test_the_start_page_leads_to_the_documentation(server: Any) -> None:
    reply = server.get("/")
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for link in ("docs", "redoc", "openapi.json"):
        assert f'href="{link}"' in reply.text
        assert server.get(f"/{link}").status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/config", "/sdapi/v1/options", "/healthz"])
def test_head_is_get_without_a_body(server: Any, path: str) -> None:
    head, full = server.http.head(path), server.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == full.headers["Content-Type"]


def test_config_is_json_that_clients_can_look_into(server: Any) -> None:
    found = server.get("/config").json()
    assert found["version"]
    assert found["components"] == found["dependencies"] == []


@pytest.mark.parametrize("name", ["swagger_bundle.js", "swagger_style.css", "redoc.js"])
def test_files_of_the_pages_are_served_and_kept(server: Any, name: str) -> None:
    reply = server.get(f"/docs-assets/{name}")
    assert reply.status_code == 200
    assert len(reply.content) > 10_000
    assert "max-age" in reply.headers["Cache-Control"]
    assert ("javascript" if name.endswith("js") else "css") in reply.headers["Content-Type"]


@pytest.mark.parametrize(
    "path",
    [
        "/docs-assets/../../../../etc/passwd",
        "/docs-assets/..%2f..%2f..%2fetc%2fpasswd",
        "/docs-assets/%2e%2e/%2e%2e/etc/passwd",
        "/docs-assets/..\\..\\etc\\passwd",
        "/docs-assets//etc/passwd",
        "/docs-assets/%2fetc%2fpasswd",
        "/docs-assets/__init__.py",
        "/docs-assets/swagger_bundle.js%00.py",
        "/docs-assets/",
        "/file=/etc/passwd",
        "/sd_extra_networks/thumb?filename=/etc/passwd",
    ],
)
def test_no_path_leads_to_other_files(server: Any, path: str) -> None:
    request = httpx.Request("GET", server.url)
    request.url = request.url.copy_with(raw_path=path.encode())
    reply = server.http.send(request, follow_redirects=True)
    assert reply.status_code == 404
    assert "root:" not in reply.text


def test_the_openapi_document_has_the_mounted_routes_only(server: Any) -> None:
    paths = server.get("/openapi.json").json()["paths"]
    assert "/sdapi/v1/txt2img" in paths
    assert "/sdapi/v1/server-kill" not in paths
    for path, methods in paths.items():
        if "get" in methods and "{" not in path:
            assert server.get(path).status_code == 200, path


def test_sysinfo_tells_the_system_without_secrets(server: Any) -> None:
    reply = server.get("/internal/sysinfo")
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.headers["Content-Disposition"].startswith('inline; filename="sysinfo-')
    facts = json.loads(reply.text)
    assert {"Platform", "Python", "Version", "Commandline", "CPU", "Config", "Packages"} <= set(facts)
    assert "COMMANDLINE_ARGS" not in facts["Environment"]
    saved = server.get("/internal/sysinfo-download")
    assert saved.headers["Content-Disposition"].startswith("attachment;")
    asked = server.get("/internal/sysinfo", params={"attachment": "true"})
    assert asked.headers["Content-Disposition"].startswith("attachment;")


def test_passwords_in_the_environment_stay_there(
    start_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_INDEX_URL", "https://me:index-secret@host/simple")
    server = start_server(
        "--skip-load-model-at-start",
        "--gradio-auth",
        "me:gradio-secret",
        ready=False,
        auth=("me", "gradio-secret"),
    )
    for path in ("/internal/sysinfo", "/sdapi/v1/cmd-flags", "/sdapi/v1/options", "/config"):
        assert "secret" not in server.get(path).text
    assert server.get("/sdapi/v1/cmd-flags").json()["gradio_auth"] == "<hidden>"


def test_memory_is_told_in_bytes(server: Any) -> None:
    found = server.get("/sdapi/v1/memory").json()
    ram = found["ram"]
    assert 0 < ram["used"] < ram["total"]
    assert ram["free"] < ram["total"]
    assert isinstance(ram["used"], int)
    assert "error" in found["cuda"] or found["cuda"]["system"]["total"] > 0


def test_the_start_is_told_in_seconds(server: Any) -> None:
    found = server.get("/internal/profile-startup").json()
    assert set(found["records"]) == {"torch", "model"}
    assert found["total"] == pytest.approx(sum(found["records"].values()))


def test_every_option_has_a_hint(server: Any) -> None:
    hints = server.get("/internal/quicksettings-hint").json()
    assert [hint["name"] for hint in hints] == list(server.get("/sdapi/v1/options").json())


@pytest.mark.parametrize(
    "path",
    ["interrogate", "create/embedding", "create/hypernetwork", "train/embedding", "train/hypernetwork"],
)
def test_what_is_not_built_is_501_with_a_reason(server: Any, path: str) -> None:
    reply = server.post(f"/sdapi/v1/{path}", {})
    assert reply.status_code == 501
    assert "not built" in reply.json()["detail"]


def test_without_the_flag_the_server_cannot_be_ended(server: Any) -> None:
    for name in ("kill", "restart", "stop"):
        assert server.post(f"/sdapi/v1/server-{name}").status_code == 404


def test_the_server_can_be_stopped_in_order(start_server: Callable[..., Any]) -> None:
    server = start_server("--api-server-stop", "--skip-load-model-at-start", ready=False)
    assert "/sdapi/v1/server-stop" in server.get("/openapi.json").json()["paths"]
    assert (server.post("/sdapi/v1/server-restart").status_code, server.get("/healthz").status_code) == (
        501,
        200,
    )
    reply = server.post("/sdapi/v1/server-stop")
    assert (reply.status_code, reply.text) == (200, "Stopping.")
    assert server.process.wait(60) == 0


def test_the_server_can_be_killed_at_once(start_server: Callable[..., Any]) -> None:
    server = start_server("--api-server-stop", "--skip-load-model-at-start", ready=False)
    with pytest.raises(httpx.TransportError):
        server.post("/sdapi/v1/server-kill")
    assert server.process.wait(10) == 0


def test_a_taken_port_is_told(tmp_path: Path, server: Any) -> None:
    port = server.url.rpartition(":")[2]
    command = [*COMMAND, "--port", port, "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 1
    assert f"no free port on 127.0.0.1 among {port}-{port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--server-name", "203.0.113.1"], "203.0.113.1 is no address of this machine"),
        (["--tls-certfile", "nothing.pem", "--tls-keyfile", "nothing.pem"], "the certificate or its key"),
    ],
)
def test_a_start_that_cannot_be_says_why(tmp_path: Path, flags: list[str], text: str) -> None:
    (tmp_path / "nothing.pem").write_text("no certificate")
    flags = [str(tmp_path / flag) if flag.endswith(".pem") else flag for flag in flags]
    done = subprocess.run(
        [*COMMAND, "--data-dir", str(tmp_path), *flags], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert done.returncode == 1
    assert f"Cannot start: {text}" in done.stderr
    assert "Traceback" not in done.stderr
