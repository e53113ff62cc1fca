"""Where a URL may lead: addresses, ports and redirects."""

from __future__ import annotations

import asyncio

import pytest

from sdapi_compat.fetching.failures import FetchError, LocalTarget
from sdapi_compat.fetching.fetcher import Fetcher
from sdapi_compat.fetching.rules import Rules
from tests.fetching.asking import PUBLIC, QUICK, URL, fetch, refused


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
