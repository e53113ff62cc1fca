"""A bug in a handler: told in the API's shape, logged once, and the connection lives on."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any


def test_a_failing_handler_is_500_without_traceback(stocked: Any, until: Any) -> None:
    before = len(stocked.log.read_text())
    reply = stocked.get("/everything/fail")
    assert reply.status_code == 500
    assert reply.json() == {
        "error": "LookupError",
        "detail": "",
        "body": "",
        "errors": "secret detail of the failure",
    }
    line = "LookupError: secret detail of the failure"
    logged = until(lambda: line in (text := stocked.log.read_text()[before:]) and text)
    assert logged.count("Traceback") == 1
    assert logged.count(line) == 1


def test_the_connection_of_a_failing_handler_lives_on(stocked: Any) -> None:
    connection = HTTPConnection(stocked.url.removeprefix("http://"), timeout=30)
    channels = []
    for path, status in (("/everything/fail", 500), ("/everything/hello", 200)) * 2:
        connection.request("GET", path)
        reply = connection.getresponse()
        assert (reply.status, bool(reply.read())) == (status, True)
        channels.append(connection.sock)
    assert channels == [connection.sock] * 4
    connection.close()


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


def test_xformers_that_cannot_be_used_is_a_warning(start_server: Callable[..., Any]) -> None:
    started = start_server("--xformers", "--use-cpu", "all")
    assert "--xformers has no effect: it needs an NVIDIA GPU" in started.log.read_text()
    assert len(started.txt2img(steps=1)["images"]) == 1
