from __future__ import annotations

import asyncio
import gzip
import threading
import time
import zlib

import pytest

from sdapi_compat.fetching.failures import FetchError, LocalTarget, TooLarge
from sdapi_compat.fetching.fetcher import HEADER_BYTES, Fetcher
from sdapi_compat.fetching.rules import Rules

PUBLIC = "93.184.215.14"
URL = "http://pictures.example/a.png"
QUICK = Rules(seconds=5.0, max_bytes=10_000)


def fetch(web, url=URL, rules=QUICK, names=None):
    """Fetch through a network on which `web` is the internet."""
    fetcher, _ = web.fetcher(names)
    return asyncio.run(fetcher.fetch(url, rules))


def refused(web, url=URL, rules=QUICK, names=None):
    with pytest.raises(FetchError) as caught:
        fetch(web, url, rules, names)
    return caught.value


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


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0",
        "0.0.0.0",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ],
)
def test_local_addresses_by_the_systems_own_resolver(web, host):
    """No spelling reaches the server that listens on 127.0.0.1, also where its port would be allowed."""
    web.page("/", b"secret")
    rules = Rules(ports=frozenset({web.port}), seconds=5.0)
    with pytest.raises(LocalTarget) as caught:
        asyncio.run(Fetcher().fetch(f"http://{host}:{web.port}/", rules))
    assert (caught.value.status, caught.value.detail) == (500, "Request to local resource not allowed")
    assert web.seen == []


def test_local_addresses_where_they_are_allowed(web):
    web.page("/", b"mine")
    for host in ("127.0.0.1", "localhost", "2130706433"):
        assert asyncio.run(Fetcher().fetch(f"http://{host}:{web.port}/", Rules(local=True))) == b"mine"


@pytest.mark.parametrize("answer", [["10.0.0.1"], [PUBLIC, "10.0.0.1"], ["fd00::1", PUBLIC], ["nonsense"]])
def test_one_local_address_among_others_is_enough(web, names, answer):
    assert isinstance(refused(web, names=names(pictures_example=[answer])), LocalTarget)
    assert web.seen == []


def test_the_judged_address_is_the_one_connected_to(web, names):
    """DNS rebinding: the second answer is local, and nobody asks for it."""
    web.page("/a.png", b"picture")
    resolver = names(pictures_example=[[PUBLIC], ["127.0.0.1"]])
    fetcher, connector = web.fetcher(resolver)
    assert asyncio.run(fetcher.fetch(URL, QUICK)) == b"picture"
    assert resolver.asked == ["pictures.example"]
    assert connector.asked == [(PUBLIC, 80)]


def test_a_second_answer_is_judged_too(web, names):
    web.redirect("/a.png", "/b.png")
    web.page("/b.png", b"secret")
    resolver = names(pictures_example=[[PUBLIC], ["127.0.0.1"]])
    fetcher, connector = web.fetcher(resolver)
    with pytest.raises(LocalTarget):
        asyncio.run(fetcher.fetch(URL, QUICK))
    assert connector.asked == [(PUBLIC, 80)]
    assert len(web.seen) == 1


def test_a_host_without_an_address(web, names):
    assert "cannot be reached" in refused(web, names=names(pictures_example=[[]])).detail


def test_a_host_nobody_knows():
    with pytest.raises(FetchError, match="host is not known"):
        asyncio.run(Fetcher().fetch("http://no-such-host.invalid/", QUICK))


def test_the_next_address_is_tried(web, names):
    web.page("/a.png", b"picture")
    fetcher, connector = web.fetcher(names(pictures_example=[["1.1.1.1", PUBLIC]]))
    working = connector.connect_tcp

    async def half_dead(host, *arguments):
        if host == "1.1.1.1":
            connector.asked.append((host, 0))
            return await connector._real.connect_tcp("127.0.0.1", 1)
        return await working(host, *arguments)

    connector.connect_tcp = half_dead
    assert asyncio.run(fetcher.fetch(URL, QUICK)) == b"picture"
    assert [host for host, _ in connector.asked] == ["1.1.1.1", PUBLIC]


@pytest.mark.parametrize("port", [22, 81, 6379, 8080])
def test_ports(web, port):
    assert f"port {port} is not allowed" in refused(web, f"http://pictures.example:{port}/").detail


def test_a_local_address_is_told_before_the_port(web):
    assert isinstance(refused(web, "http://127.0.0.1:6379/"), LocalTarget)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_between_hosts(web, status):
    web.redirect("/a.png", "http://other.example/b.png", status)
    web.page("/b.png", b"picture")
    assert fetch(web) == b"picture"
    assert [request.headers["Host"] for request in web.seen] == ["pictures.example", "other.example"]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "//169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
    ],
)
def test_redirects_to_local_addresses(web, names, location):
    web.redirect("/a.png", location)
    resolver = names(localhost=[["127.0.0.1"]])
    assert isinstance(refused(web, names=resolver), LocalTarget)
    assert len(web.seen) == 1


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "http://u:p@other.example/",
        "http://other.example:22/",
        "gopher://other.example/",
    ],
)
def test_redirects_to_other_places(web, location):
    web.redirect("/a.png", location)
    assert refused(web).detail.startswith("Invalid image url: ")
    assert len(web.seen) == 1


def test_redirects_have_an_end(web):
    web.redirect("/a.png", "/a.png")
    assert "more than 3 redirects" in refused(web, rules=Rules(redirects=3)).detail
    assert len(web.seen) == 4


def test_a_redirect_without_a_location_goes_round(web):
    web.page("/a.png", status=302)
    assert "redirects" in refused(web).detail


def chunked(*parts, pause=0.0, headers=()):
    """A page that is sent in pieces, without an announced length."""

    def answer(request):
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        for name, value in headers:
            request.send_header(name, value)
        request.end_headers()
        for part in parts:
            request.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            time.sleep(pause)
        request.wfile.write(b"0\r\n\r\n")

    return answer


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
