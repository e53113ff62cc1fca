"""Pages of other sites may not make the server do anything; everybody else may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from sdapi_compat.middleware import OtherSites
from sdapi_compat.middleware.origins import is_loopback

INTERRUPT = "/sdapi/v1/interrupt"
FORM = "application/x-www-form-urlencoded"
PAGE = "https://page.example"


def judged(origin: str | None, *, port: int = 7860, **headers: str) -> bool:
    """Whether a POST to 127.0.0.1:7860 from a page of `origin` gets through, without any flags."""
    return passes(OtherSites, origin, port=port, **headers)


def passes(kind: Any, origin: str | None, *, port: int = 7860, **headers: str) -> bool:
    entered: list[bool] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        entered.append(True)

    sent = {"host": "127.0.0.1:7860", "origin": origin}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in sent.items() if value is not None]
    scope = {"type": "http", "method": "POST", "headers": raw, "server": ("127.0.0.1", port)}
    app = kind(inner, (), None, loopback=True) if kind is OtherSites else kind(inner)
    run(app, scope)
    return bool(entered)


def run(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    asyncio.run(app(scope, receive, send))
    return messages


def refusal(reply: httpx.Response) -> str:
    assert reply.status_code == 403
    body = reply.json()
    assert body == {"error": "HTTPException", "detail": body["detail"], "body": "", "errors": ""}
    return str(body["detail"])


@pytest.mark.parametrize(
    ("content", "kind"),
    [("", None), ("prompt=x&steps=1", FORM), ('{"steps": 1}', "text/plain"), ("{}", "application/json")],
)
@pytest.mark.parametrize("origin", [PAGE, "http://localhost:1", "null", "http://127.0.0.1"])
def test_a_page_of_another_site_is_refused_with_a_hint(
    server: Any, origin: str, content: str, kind: str | None
) -> None:
    headers = {"Origin": origin} | ({"Content-Type": kind} if kind else {})
    for path in (INTERRUPT, "/sdapi/v1/txt2img", "/sdapi/v1/options", "/login", "/nowhere"):
        reply = server.http.post(path, content=content, headers=headers)
        assert f"--cors-allow-origins {origin}" in refusal(reply)
        assert "X-Process-Time" in reply.headers
        assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_every_method_that_writes_is_covered(server: Any, method: str) -> None:
    refusal(server.http.request(method, "/sdapi/v1/options", headers={"Origin": PAGE}))


def test_nothing_is_done_for_a_page_of_another_site(server: Any) -> None:
    before = server.get("/sdapi/v1/options").json()
    body = {"jpeg_quality": before["jpeg_quality"] - 1}
    refusal(server.http.post("/sdapi/v1/options", data=body, headers={"Origin": PAGE}))
    assert server.get("/sdapi/v1/options").json() == before


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "chrome-extension://abcdefghijklmnop",
        "moz-extension://12",
        "file://",
        "app://obsidian.md",
        "tauri://localhost",
        "capacitor://localhost",
        "vscode-webview://x",
    ],
)
def test_programs_and_browser_extensions_are_no_web_pages(server: Any, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    assert server.http.post(INTERRUPT, headers=headers).status_code == 200


def test_reading_stays_as_it_was(server: Any) -> None:
    for method in ("GET", "HEAD"):
        reply = server.http.request(method, "/sdapi/v1/samplers", headers={"Origin": PAGE})
        assert reply.status_code == 200


def test_pages_of_this_server_may_call(server: Any) -> None:
    port = urlsplit(server.url).port
    for name in ("127.0.0.1", "localhost", "[::1]", "LocalHost", "box", "box.local", "192.168.1.5"):
        own = {"Host": f"{name}:{port}", "Origin": f"http://{name.lower()}:{port}"}
        assert server.http.post(INTERRUPT, headers=own).status_code == 200
    other = {"Host": f"127.0.0.1:{port}", "Origin": f"http://localhost:{port}"}
    refusal(server.http.post(INTERRUPT, headers=other))


def test_a_name_that_was_pointed_here_is_another_site(server: Any) -> None:
    """DNS rebinding: the page's own server and ours have one name, so the browser sees one site."""
    host = f"evil.example:{urlsplit(server.url).port}"
    rebound = {"Host": host, "Origin": f"http://{host}", "X-Forwarded-Host": host}
    refusal(server.http.post(INTERRUPT, headers=rebound))
    assert server.http.post(INTERRUPT, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "headers"),
    [
        ("https://sd.example.com", {"host": "sd.example.com"}),
        ("http://sd.example.com", {"host": "sd.example.com:80"}),
        ("https://sd.example.com:8443", {"host": "sd.example.com:8443"}),
        ("https://sd.example.com", {"x_forwarded_host": "sd.example.com"}),
        ("http://sd.example.com", {"x_forwarded_host": "other.example, sd.example.com"}),
        ("https://x-7860.proxy.runpod.net", {"sec_fetch_site": "same-origin"}),
        ("http://[fd00::1]:7860", {"host": "[fd00::1]:7860"}),
    ],
)
def test_pages_that_come_through_a_proxy_may_call(origin: str, headers: dict[str, str]) -> None:
    assert judged(origin, **headers)


@pytest.mark.parametrize(
    ("origin", "headers"),
    [
        (PAGE, {"sec_fetch_site": "cross-site"}),
        ("http://localhost:3000", {"host": "localhost:7860", "sec_fetch_site": "same-site"}),
        (PAGE, {"host": "page.example:444"}),
        ("http://", {"host": ""}),
        ("http://a:b:c", {"host": "a:b:c"}),
        ("http://[x", {"host": "[x"}),
        ("http://evil.example:7860", {"host": "evil.example:7860"}),
    ],
)
def test_what_is_not_this_site_is_refused(origin: str, headers: dict[str, str]) -> None:
    assert not judged(origin, **headers)


def test_a_server_for_other_machines_has_any_name() -> None:
    def reachable(app: Any) -> OtherSites:
        return OtherSites(app, (), None, loopback=False)

    assert passes(reachable, "http://gpu.example.com:7860", host="gpu.example.com:7860")
    assert not passes(reachable, PAGE)


def test_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.2", "gpu.example.com")))


def test_allowed_origins_may_call(stocked: Any, start_server: Callable[..., Any]) -> None:
    reply = stocked.http.post(INTERRUPT, headers={"Origin": "http://page.example"})
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == "http://page.example"
    refusal(stocked.http.post(INTERRUPT, headers={"Origin": "https://page.example"}))
    flags = ["--cors-allow-origins-regex", r"https://.*\.example", "--skip-load-model-at-start"]
    other = start_server(*flags, ready=False)
    assert other.http.post(INTERRUPT, headers={"Origin": "https://a.example"}).status_code == 200
    refusal(other.http.post(INTERRUPT, headers={"Origin": "https://a.example.org"}))


def test_a_star_allows_everybody(start_server: Callable[..., Any]) -> None:
    started = start_server("--cors-allow-origins", "*", "--skip-load-model-at-start", ready=False)
    for origin in (PAGE, "null"):
        assert started.http.post(INTERRUPT, headers={"Origin": origin}).status_code == 200


def test_a_name_of_ones_own_for_this_machine_can_be_allowed() -> None:
    def allowing(app: Any) -> OtherSites:
        return OtherSites(app, ["http://sd.example:7860"], None, loopback=True)

    assert passes(allowing, "http://sd.example:7860", host="sd.example:7860")


def test_websockets_of_other_sites_are_refused_too() -> None:
    entered: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        entered.append(scope["type"])

    app = OtherSites(inner, (), None, loopback=True)
    for origin in (b"https://page.example", b"http://127.0.0.1:7860"):
        headers = [(b"host", b"127.0.0.1:7860"), (b"origin", origin)]
        messages = run(app, {"type": "websocket", "headers": headers, "server": ("127.0.0.1", 7860)})
        assert [message.get("status") for message in messages[:1]] == ([] if entered else [403])
    run(app, {"type": "lifespan"})
    assert entered == ["websocket", "lifespan"]


def test_a_long_origin_is_repeated_in_part(server: Any) -> None:
    reply = server.http.post(INTERRUPT, headers={"Origin": "https://" + "a" * 5000})
    assert len(refusal(reply)) < 600
