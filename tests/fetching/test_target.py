from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdapi_compat.fetching.failures import FetchError
from sdapi_compat.fetching.target import LONGEST, Target, parse


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path"),
    [
        ("http://a.example", "http", "a.example", 80, "/"),
        ("HTTPS://A.Example/x?y=1#z", "https", "a.example", 443, "/x?y=1"),
        ("http://a.example:8080/", "http", "a.example", 8080, "/"),
        ("http://a.example:/x", "http", "a.example", 80, "/x"),
        ("http://a.example?x", "http", "a.example", 80, "/?x"),
        ("http://[2606:4700::0001]/", "http", "2606:4700::1", 80, "/"),
        ("http://[::FFFF:1.2.3.4]/", "http", str(IPv6Address("::ffff:1.2.3.4")), 80, "/"),
        ("https://bücher.example/ä ö", "https", "xn--bcher-kva.example", 443, "/%C3%A4%20%C3%B6"),
        ("http://127。0。0。1/", "http", "127.0.0.1", 80, "/"),
        ("http://1.2.3.4/", "http", "1.2.3.4", 80, "/"),
        ("http://my_bucket.example/", "http", "my_bucket.example", 80, "/"),
        ("http://a.example./%2e%2e/x", "http", "a.example.", 80, "/%2e%2e/x"),
        ("http://a.example//double?a=%20&b='", "http", "a.example", 80, "//double?a=%20&b='"),
    ],
)
def test_urls_that_are_understood(url, scheme, host, port, path):
    found = parse(url)
    assert found == Target(scheme, host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "file:///etc/passwd",
        "gopher://a.example/",
        "data:image/png;base64,AAAA",
        "//a.example/",
        "a.example",
        "",
        "http://",
        "http:///x",
        "http://user@a.example/",
        "http://user:secret@a.example/",
        "http://@a.example/",
        "http://a.example@127.0.0.1/",
        "http://127.0.0.1\\@a.example/",
        "http://a.example\\x",
        "http://a.example/\r\nHost: b",
        "http://a.exa\tmple/",
        "http://a.example\x00/",
        "http://a example/",
        "http://a%2eexample/",
        "http://a..example/",
        "http://.a.example/",
        "http://a.example:99999/",
        "http://a.example:-1/",
        "http://a.example:8o/",
        "http://[::1/",
        "http://::1/",
        "http://[fe80::1%25eth0]/",
        "http://[not-an-address]/",
        "http://" + "a" * 300 + ".example/",
        "http://a.example/" + "x" * LONGEST,
        "http://\u2100.example/",
    ],
)
def test_urls_that_are_refused(url):
    with pytest.raises(FetchError) as caught:
        parse(url)
    assert caught.value.detail.startswith("Invalid image url")
    assert caught.value.status == 500


def test_passwords_are_not_repeated():
    with pytest.raises(FetchError) as caught:
        parse("http://user:secret@a.example/")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        (Target("http", "a.example", 80, "/"), "a.example"),
        (Target("http", "a.example", 443, "/"), "a.example:443"),
        (Target("https", "::1", 443, "/"), "[::1]"),
        (Target("https", "::1", 8443, "/"), "[::1]:8443"),
    ],
)
def test_authority(target, authority):
    assert target.authority == authority
    assert target.origin == f"{target.scheme}://{authority}"


@pytest.mark.parametrize(
    ("location", "origin", "path"),
    [
        ("/other", "http://a.example", "/other"),
        ("other?x=1", "http://a.example", "/folder/other?x=1"),
        ("https://b.example/", "https://b.example", "/"),
        ("//b.example/y", "http://b.example", "/y"),
        ("", "http://a.example", "/folder/page"),
        ("//[::1]/y", "http://[::1]", "/y"),
    ],
)
def test_redirects(location, origin, path):
    target = parse("http://a.example/folder/page").join(location)
    assert (target.origin, target.path) == (origin, path)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "http://u:p@b.example/", "\\\\b.example", "//[::1", "//b.example:x"]
)
def test_redirects_that_are_refused(location):
    with pytest.raises(FetchError):
        parse("http://a.example/").join(location)


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_a_refusal(text):
    for url in (text, f"http://{text}", f"http://a.example/{text}", f"http://{text}/x"):
        try:
            target = parse(url)
        except FetchError:
            continue
        assert (target.authority + target.path).isascii()
        assert target.path.startswith("/")
        assert not set(target.authority + target.path) & set(" \r\n\t\\#")
        assert parse(target.origin + target.path) == target
