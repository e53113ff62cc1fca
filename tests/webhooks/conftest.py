"""A receiver of webhooks on a real port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Received:
    """One request: its headers in small letters, its body, when it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    when: float


@dataclass
class Receiver:
    """Answers with `statuses` one after the other, then with 204; every answer waits for `open`."""

    url: str
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, count: int, seconds: float = 30.0) -> list[Received]:
        """The requests, once there are so many."""
        end = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.received) >= count, f"{len(self.received)} requests in {seconds} s"
        return self.received


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.received.append(Received(self.path, headers, body, time.monotonic()))
            status = found.statuses.pop(0) if found.statuses else 204
            found.open.wait(20)
            self.send_response(status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    found = Receiver(f"http://127.0.0.1:{server.server_port}/hook?token=secret")
    found.open.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.open.set()
    server.shutdown()
    server.server_close()
    thread.join()
