"""Asking the fetcher for a page of a web that is on this machine."""

from __future__ import annotations

import asyncio
import time

import pytest

from sdapi_compat.fetching.failures import FetchError
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
