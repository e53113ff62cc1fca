"""How large a reply may be and how long it may take."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
import zlib

import pytest

from sdapi_compat.fetching.failures import TooLarge
from sdapi_compat.fetching.fetcher import HEADER_BYTES
from sdapi_compat.fetching.rules import Rules
from tests.fetching.asking import PUBLIC, chunked, fetch, refused


def test_an_announced_length_is_believed(web):
    web.page("/a.png", b"", headers={"Content-Length": "10001"})
    error = refused(web)
    assert isinstance(error, TooLarge)
    assert (error.status, "10000 bytes" in error.detail) == (413, True)


def test_a_body_without_a_length_is_counted(web):
    web.pages["/a.png"] = chunked(*[b"x" * 1000] * 10)
    assert len(fetch(web)) == 10_000
    web.pages["/a.png"] = chunked(*[b"x" * 1000] * 11)
    assert isinstance(refused(web), TooLarge)


def test_a_body_without_end_is_left(web):
    done = threading.Event()

    def endless(request):
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"x" * 65536)
        except OSError:
            done.set()

    web.pages["/a.png"] = endless
    assert isinstance(refused(web), TooLarge)
    assert done.wait(5)


def test_a_slow_body_has_a_time(web):
    web.pages["/a.png"] = chunked(*[b"x"] * 100, pause=0.05)
    start = time.monotonic()
    assert "more than 0.3 seconds" in refused(web, rules=Rules(seconds=0.3)).detail
    assert time.monotonic() - start < 2


def test_a_silent_server_has_a_time(web):
    web.pages["/a.png"] = lambda request: time.sleep(1)
    assert "more than 0.3 seconds" in refused(web, rules=Rules(seconds=0.3)).detail


def test_slow_redirects_share_one_time(web):
    def slow(request):
        time.sleep(0.2)
        request.send_response(302)
        request.send_header("Location", "/a.png")
        request.send_header("Content-Length", "0")
        request.end_headers()

    web.pages["/a.png"] = slow
    assert "seconds" in refused(web, rules=Rules(seconds=0.5, redirects=100)).detail


def test_a_slow_resolver_has_a_time(web):
    async def never(host, port):
        await asyncio.sleep(60)
        return [PUBLIC]

    assert "seconds" in refused(web, rules=Rules(seconds=0.2), names=never).detail


@pytest.mark.parametrize("count", [1, 10_000])
def test_headers_have_a_limit(web, count):
    """One header that never ends, and many small ones."""

    def headers(request):
        request.send_response(200)
        for number in range(count):
            request.send_header(f"X-{number}", "x" * (HEADER_BYTES // count * 2))
        request.end_headers()

    web.pages["/a.png"] = headers
    assert refused(web).detail.startswith("Invalid image url: its server ")


def test_what_is_no_http(web):
    web.pages["/a.png"] = lambda request: request.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    assert "does not speak HTTP" in refused(web).detail


def test_a_body_that_is_cut_off(web):
    web.page("/a.png", b"abc", headers={"Content-Length": "10"})
    assert "Invalid image url" in refused(web).detail


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate"])
def test_packed_bodies(web, encoding):
    pack = zlib.compress if encoding == "deflate" else gzip.compress
    web.page("/a.png", pack(b"picture" * 1000), headers={"Content-Encoding": encoding})
    assert fetch(web) == b"picture" * 1000


def test_a_bomb_does_not_go_off(web):
    bomb = gzip.compress(bytes(100_000_000))
    assert len(bomb) < 100_000
    web.page("/a.png", bomb, headers={"Content-Encoding": "gzip"})
    start = time.monotonic()
    assert isinstance(refused(web, rules=Rules(max_bytes=200_000)), TooLarge)
    assert time.monotonic() - start < 2


def test_packed_bytes_count_too(web):
    """A gzip header may hold a name of any length, which unpacks to nothing."""
    web.page("/a.png", b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 20_000, headers={"Content-Encoding": "gzip"})
    assert isinstance(refused(web), TooLarge)


@pytest.mark.parametrize(
    ("encoding", "body", "words"),
    [
        ("gzip", b"no gzip at all", "damaged"),
        ("gzip", gzip.compress(b"picture", mtime=0)[:-5], "cut off"),
        ("br", b"whatever", "encoding"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "encoding"),
    ],
)
def test_bodies_that_cannot_be_unpacked(web, encoding, body, words):
    web.page("/a.png", body, headers={"Content-Encoding": encoding})
    assert words in refused(web).detail
