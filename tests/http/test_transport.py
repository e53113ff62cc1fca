"""HTTP/1.1 and HTTP/2, TLS, gzip, headers, users: the layer around the handlers, over real sockets."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import subprocess
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded

USERS = "me:se:cret,naïve:pässwörd"
TINY = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "sampler_name": "Euler"}
CERTIFICATE = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=x"]


@pytest.fixture(scope="module")
def secured(
    tmp_path_factory: pytest.TempPathFactory, launch: Callable[..., Any], add_extension: Callable[..., None]
) -> Any:
    """A server with TLS, users, a path in front, every origin allowed and an extension; without a model."""
    folder = tmp_path_factory.mktemp("secured")
    add_extension(folder)
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [*CERTIFICATE, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    flags = ["--tls-keyfile", str(key), "--tls-certfile", str(certificate), "--api-auth", USERS]
    flags += ["--skip-load-model-at-start", "--subpath", "/sd", "--cors-allow-origins", "*"]
    return launch(folder, *flags, ready=False, auth=("me", "se:cret"))


def basic(credentials: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(credentials).decode()}


def test_http2_over_tls_is_negotiated(secured: Any) -> None:
    with httpx.Client(http2=True, verify=False, auth=("me", "se:cret"), base_url=secured.url) as client:
        reply = client.get("/sdapi/v1/samplers")
        assert (reply.http_version, reply.status_code) == ("HTTP/2", 200)
        assert len(reply.json()) == 20
        posted = client.post("/sdapi/v1/interrupt", json={})
        assert (posted.http_version, posted.status_code, posted.json()) == ("HTTP/2", 200, {})


def test_http1_over_tls_works_too(secured: Any) -> None:
    reply = secured.get("/sdapi/v1/samplers")
    assert (reply.http_version, reply.status_code) == ("HTTP/1.1", 200)


def http2_request(server: Any, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """One request over HTTP/2 with prior knowledge (no TLS)."""
    address = urlsplit(server.url)
    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    headers = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "x")]
    connection.send_headers(1, headers, end_stream=not body)
    if body:
        connection.send_data(1, body, end_stream=True)
    status, received = 0, b""
    with socket.create_connection((address.hostname, address.port), timeout=60) as channel:
        channel.sendall(connection.data_to_send())
        while True:
            for event in connection.receive_data(channel.recv(65536)):
                if isinstance(event, ResponseReceived):
                    status = int(dict(event.headers)[":status"])
                elif isinstance(event, DataReceived):
                    received += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, StreamEnded):
                    return status, received
            channel.sendall(connection.data_to_send())


def test_http2_without_tls_by_prior_knowledge(server: Any) -> None:
    assert http2_request(server, "GET", "/healthz", b"") == (200, b'{"status":"ok"}')
    status, body = http2_request(server, "POST", "/sdapi/v1/txt2img", json.dumps(TINY).encode())
    assert (status, len(json.loads(body)["images"])) == (200, 1)


def test_replies_of_1000_bytes_are_compressed_for_those_who_want_it(server: Any) -> None:
    reply = server.get("/sdapi/v1/samplers", headers={"Accept-Encoding": "gzip"})
    assert reply.headers["Content-Encoding"] == "gzip"
    assert reply.headers["Vary"].startswith("Accept-Encoding")
    plain = server.get("/sdapi/v1/samplers", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.json() == reply.json()
    assert "Content-Encoding" not in server.get("/healthz", headers={"Accept-Encoding": "gzip"}).headers


def test_a_compressed_reply_is_gzip_on_the_wire(server: Any) -> None:
    with server.http.stream("GET", "/sdapi/v1/samplers", headers={"Accept-Encoding": "gzip"}) as reply:
        raw = b"".join(reply.iter_raw())
    assert len(json.loads(gzip.decompress(raw))) == 20


@pytest.mark.parametrize("path", ["/sdapi/v1/samplers", "/nope", "/sdapi/v1/txt2img", "/everything/fail"])
def test_every_reply_tells_its_time(stocked: Any, path: str) -> None:
    seconds = stocked.get(path).headers["X-Process-Time"]
    assert 0 <= float(seconds) < 60
    assert len(seconds.partition(".")[2]) <= 4


def test_a_connection_survives_replies_that_come_before_the_body_is_read(server: Any) -> None:
    """Clients send head and body apart; a reply in between must not cost the connection."""
    connection = HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    channels = []
    for path, status in (("/nope", 404), ("/sdapi/v1/progress", 405), ("/sdapi/v1/interrupt", 200)):
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", "100000")
        connection.endheaders()
        connection.send(b"x" * 50_000)
        time.sleep(0.2)
        connection.send(b"y" * 50_000)
        reply = connection.getresponse()
        assert (reply.status, bool(reply.read())) == (status, True)
        channels.append(connection.sock)
    assert channels == [connection.sock] * 3
    connection.close()


def test_the_job_id_cannot_add_headers(server: Any) -> None:
    reply = server.post("/sdapi/v1/txt2img", TINY | {"force_task_id": "a\r\nX-Evil: é", "width": 64})
    assert reply.status_code == 200
    assert reply.headers["X-Sdapi-Task-Id"] == "a??X-Evil: ?"
    assert "X-Evil" not in reply.headers


def test_the_job_id_is_told(server: Any) -> None:
    reply = server.post("/sdapi/v1/txt2img", TINY | {"force_task_id": "task(mine)"})
    assert reply.headers["X-Sdapi-Task-Id"] == "task(mine)"
    assert server.post("/sdapi/v1/txt2img", TINY).headers["X-Sdapi-Task-Id"].startswith("task(txt2img-")


PROTECTED = [
    "/sdapi/v1/samplers", "/sdapi/v1/loras", "/sdapi/v1/cmd-flags", "/internal/ping", "/internal/sysinfo",
    "/healthz", "/readyz", "/docs", "/redoc", "/openapi.json", "/docs-assets/redoc.js", "/", "/config",
    "/app_id", "/nope", "/everything/hello",
]  # fmt: skip


@pytest.mark.parametrize("path", PROTECTED)
def test_with_users_every_route_wants_one(secured: Any, path: str) -> None:
    with httpx.Client(verify=False, base_url=secured.url) as stranger:
        reply = stranger.get(path)
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == "Basic"
    assert reply.json() == {"error": "HTTPException", "detail": "Not authenticated", "body": "", "errors": ""}
    assert secured.get(path).status_code in ((404,) if path == "/nope" else (200, 503))


@pytest.mark.parametrize("path", ["/sdapi/v1/txt2img", "/sdapi/v1/options", "/sdapi/v1/interrupt", "/login"])
def test_with_users_every_post_wants_one(secured: Any, path: str) -> None:
    with httpx.Client(verify=False, base_url=secured.url) as stranger:
        assert stranger.post(path, json={}).status_code == 401


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("", "Not authenticated"),
        ("Basic", "Not authenticated"),
        ("Bearer abc", "Not authenticated"),
        ("Basic !!!", "Invalid authentication credentials"),
        ("Basic bWU=", "Invalid authentication credentials"),
        (basic(b"me:wrong")["Authorization"], "Incorrect username or password"),
        (basic(b"me:se")["Authorization"], "Incorrect username or password"),
        (basic(b"me:")["Authorization"], "Incorrect username or password"),
        (basic(b":se:cret")["Authorization"], "Incorrect username or password"),
        (basic(b"me:secret")["Authorization"], "Incorrect username or password"),
    ],
)
def test_a_wrong_login_is_told_what_is_wrong(secured: Any, header: str, detail: str) -> None:
    with httpx.Client(verify=False, base_url=secured.url) as stranger:
        reply = stranger.get("/sdapi/v1/samplers", headers={"Authorization": header})
    assert (reply.status_code, reply.json()["detail"]) == (401, detail)


@pytest.mark.parametrize(
    "credentials",
    [b"me:se:cret", "naïve:pässwörd".encode(), "naïve:pässwörd".encode("latin-1")],
    ids=["colon", "utf-8", "latin-1"],
)
def test_passwords_may_hold_colons_and_umlauts(secured: Any, credentials: bytes) -> None:
    with httpx.Client(verify=False, base_url=secured.url) as client:
        assert client.get("/sdapi/v1/samplers", headers=basic(credentials)).status_code == 200


def test_the_login_form_is_checked(secured: Any) -> None:
    good = secured.http.post("/login", data={"username": "me", "password": "se:cret"})
    assert (good.status_code, good.json()) == (200, {"success": True})
    bad = secured.http.post("/login", data={"username": "me", "password": "1e3"})
    assert (bad.status_code, bad.json()) == (400, {"detail": "Incorrect credentials."})


def test_any_origin_may_ask_but_not_with_remembered_logins(secured: Any) -> None:
    with httpx.Client(verify=False, base_url=secured.url) as stranger:
        asking = {"Origin": "http://x.example", "Access-Control-Request-Method": "POST"}
        reply = stranger.request("OPTIONS", "/sdapi/v1/options", headers=asking)
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in reply.headers


def test_secrets_are_not_told_to_users_either(secured: Any) -> None:
    flags = secured.get("/sdapi/v1/cmd-flags").json()
    assert flags["api_auth"] == "<hidden>"
    for path in ("/sdapi/v1/cmd-flags", "/internal/sysinfo", "/sdapi/v1/options", "/openapi.json"):
        text = secured.get(path).text
        assert "se:cret" not in text
        assert "pässwörd" not in text
        assert "key.pem" not in text


def test_behind_a_path_the_pages_find_their_files(secured: Any) -> None:
    document = secured.get("/openapi.json").json()
    assert document["servers"] == [{"url": "/sd"}]
    assert document["components"]["securitySchemes"] == {"HTTPBasic": {"type": "http", "scheme": "basic"}}
    assert 'href="/' not in secured.get("/docs").text
    assert secured.get("/sd/sdapi/v1/samplers").status_code == 200


def test_behind_a_path_a_redirect_keeps_it(secured: Any) -> None:
    reply = secured.get("/sdapi/v1/options/")
    assert reply.status_code == 307
    assert urlsplit(reply.headers["Location"]).path == "/sd/sdapi/v1/options"
