"""Fetching: what is sent, what counts, TLS, several at once, posting."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time

import pytest

from sdapi_compat.fetching.failures import FetchError, LocalTarget, TooLarge
from sdapi_compat.fetching.fetcher import Fetcher
from sdapi_compat.fetching.rules import Rules
from tests.fetching.asking import PUBLIC, QUICK, URL, chunked, fetch, refused


def test_a_body_arrives(web):
    web.page("/a.png", b"picture")
    fetcher, connector = web.fetcher()
    assert asyncio.run(fetcher.fetch(URL, QUICK)) == b"picture"
    assert connector.asked == [(PUBLIC, 80)]


def test_what_is_sent(web):
    web.page("/a.png?x=1", b"picture")
    fetch(web, f"{URL}?x=1#part", Rules(user_agent="my\r\nX-Evil: 1 agent"))
    (request,) = web.seen
    assert dict(request.headers) == {
        "Host": "pictures.example",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        "User-Agent": "myX-Evil: 1 agent",
    }


def test_proxies_of_the_environment_do_not_count(web, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web.page("/a.png", b"picture")
    assert fetch(web) == b"picture"


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 500, 503])
def test_only_200_counts(web, status):
    web.page("/a.png", status=status)
    assert f"answered {status}" in refused(web).detail


def test_tls_is_checked_against_the_name(secure_web, names):
    secure_web.page("/a.png", b"picture")
    assert fetch(secure_web, "https://pictures.example/a.png") == b"picture"
    assert fetch(secure_web, "https://pictures.example./a.png") == b"picture"
    for host in ("other.example", PUBLIC):
        error = refused(secure_web, f"https://{host}/a.png")
        assert "CERTIFICATE_VERIFY_FAILED" in error.detail
    assert len(secure_web.seen) == 2


def test_a_certificate_of_an_unknown_authority(secure_web):
    secure_web.page("/a.png", b"secret")
    fetcher = Fetcher()
    url = f"https://127.0.0.1:{secure_web.port}/a.png"
    with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(fetcher.fetch(url, Rules(local=True)))


def test_a_redirect_from_https_to_a_wrong_certificate(secure_web):
    secure_web.redirect("/a.png", "https://other.example/b.png")
    secure_web.page("/b.png", b"picture")
    assert "CERTIFICATE_VERIFY_FAILED" in refused(secure_web, "https://pictures.example/a.png").detail


def test_several_at_once_and_each_only_once(web):
    together = threading.Barrier(3, timeout=10)

    def meeting(body):
        def answer(request):
            together.wait()
            chunked(body)(request)

        return answer

    urls = [f"http://pictures.example/{number}" for number in range(3)]
    for number in range(3):
        web.pages[f"/{number}"] = meeting(b"%d" % number)
    fetcher, _ = web.fetcher()
    found = asyncio.run(fetcher.fetch_all([*urls, *urls], QUICK))
    assert found == dict(zip(urls, (b"0", b"1", b"2"), strict=True))
    assert len(web.seen) == 3


def test_never_more_than_so_many(web):
    lock, running, most = threading.Lock(), 0, 0

    def answer(request):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        chunked(b"x")(request)

    fetcher, _ = web.fetcher(parallel=2)
    for number in range(8):
        web.pages[f"/{number}"] = answer
    urls = [f"http://pictures.example/{number}" for number in range(8)]
    assert len(asyncio.run(fetcher.fetch_all(urls, QUICK))) == 8
    assert most == 2


def test_several_share_their_bytes(web):
    for number in range(4):
        web.page(f"/{number}", b"x" * 3000)
    urls = [f"http://pictures.example/{number}" for number in range(4)]
    fetcher, _ = web.fetcher()
    assert len(asyncio.run(fetcher.fetch_all(urls[:3], QUICK))) == 3
    with pytest.raises(TooLarge):
        asyncio.run(web.fetcher()[0].fetch_all(urls, QUICK))


def test_the_first_failure_ends_the_rest(web):
    web.page("/bad", status=404)
    web.pages["/slow"] = chunked(*[b"x"] * 100, pause=0.05)
    start = time.monotonic()
    with pytest.raises(FetchError, match="404"):
        asyncio.run(
            web.fetcher()[0].fetch_all(["http://a.example/slow", "http://a.example/bad"], Rules(seconds=30))
        )
    assert time.monotonic() - start < 3


def test_the_event_loop_goes_on(web):
    """A slow body and a bomb hold up nobody."""
    web.pages["/slow"] = chunked(*[b"x"] * 10, pause=0.05)
    web.page("/bomb", gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "gzip"})

    async def longest_pause():
        work = asyncio.gather(
            *(web.fetcher()[0].fetch(f"http://a.example/{name}", Rules()) for name in ("slow", "bomb"))
        )
        longest, last = 0.0, time.monotonic()
        while not work.done():
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return longest, [len(body) for body in await work]

    longest, sizes = asyncio.run(longest_pause())
    assert sizes == [10, 50_000_000]
    assert longest < 0.3


def test_post(web):
    web.page("/hook", status=503, headers={"Retry-After": "7"})
    fetcher, _ = web.fetcher()
    answer = asyncio.run(fetcher.post("http://a.example/hook", b"{}", {"X-Mine": "1"}, QUICK))
    assert (answer.status, answer.retry_after) == (503, 7.0)
    (request,) = web.seen
    assert (request.body, request.headers["X-Mine"], request.headers["Content-Length"]) == (b"{}", "1", "2")


def test_post_follows_nothing_and_goes_nowhere_local(web):
    web.redirect("/hook", "http://127.0.0.1/")
    fetcher, _ = web.fetcher()
    assert asyncio.run(fetcher.post("http://a.example/hook", b"", {}, QUICK)).status == 302
    with pytest.raises(LocalTarget):
        asyncio.run(web.fetcher()[0].post("http://127.0.0.1/", b"", {}, QUICK))


@pytest.mark.parametrize("words", ["", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "-1"])
def test_odd_retry_after(web, words):
    web.page("/hook", status=429, headers={"Retry-After": words})
    answer = asyncio.run(web.fetcher()[0].post("http://a.example/hook", b"", {}, QUICK))
    assert answer.retry_after is None
