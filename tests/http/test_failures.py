"""A bug in a handler: told in the API's shape, logged once, and the connection lives on."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit


def test_a_failing_handler_is_500_without_traceback(stocked: Any) -> None:
    before = len(stocked.log.read_text())
    reply = stocked.get("/everything/fail")
    assert reply.status_code == 500
    assert reply.json() == {
        "error": "LookupError",
        "detail": "",
        "body": "",
        "errors": "secret detail of the failure",
    }
    logged = stocked.log.read_text()[before:]
    assert logged.count("Traceback") == 1
    assert logged.count("LookupError: secret detail of the failure") == 1


def test_the_connection_of_a_failing_handler_lives_on(stocked: Any) -> None:
    address = urlsplit(stocked.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as channel:
        for path, status in (("/everything/fail", b"500"), ("/everything/hello", b"200")) * 2:
            channel.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert channel.recv(65536).split()[1] == status


def test_a_failing_script_fails_its_own_request_only(stocked: Any) -> None:
    body = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "script_name": "Raising"}
    reply = stocked.post("/sdapi/v1/txt2img", body)
    assert (reply.status_code, reply.json()["error"]) == (500, "ArithmeticError")
    assert reply.json()["errors"] == "the script is broken"
    assert len(stocked.txt2img(steps=1)["images"]) == 1
    assert stocked.get("/sdapi/v1/progress").json()["state"]["job_count"] == 0


def test_files_that_do_not_load_are_named_in_the_log(stocked: Any) -> None:
    logged = stocked.log.read_text()
    assert "scripts/unloadable.py could not be loaded and is left out" in logged
    assert "unloadable" not in stocked.get("/sdapi/v1/scripts").text
