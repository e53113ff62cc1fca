"""A web of our own: real servers on 127.0.0.1, and a network on which they have public addresses."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpcore
import pytest

from sdapi_compat.fetching.fetcher import Fetcher
from sdapi_compat.fetching.network import Network

PUBLIC = "93.184.215.14"
CERTIFICATE = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=x"]


class Connector(httpcore.AsyncNetworkBackend):
    """Connects to whatever stands on the given local port, and notes which address was asked for."""

    def __init__(self, port: int) -> None:
        self.asked: list[tuple[str, int]] = []
        self._port = port
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append((host, port))
        return await self._real.connect_tcp("127.0.0.1", self._port, timeout)


class Names:
    """A resolver: each host has a list of answers, of which the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): list(given) for name, given in answers.items()}

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self._answers.get(host, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass
class Web:
    """A server whose pages are functions of the request; `seen` are the requests it got."""

    port: int
    pages: dict[str, Callable[[Any], None]] = field(default_factory=dict)
    seen: list[Any] = field(default_factory=list)
    certificate: Path | None = None

    def page(
        self, path: str, body: bytes = b"", status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Answer `path` so."""

        def answer(request: Any) -> None:
            request.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(body)

        self.pages[path] = answer

    def redirect(self, path: str, location: str, status: int = 302) -> None:
        """Send whoever asks for `path` elsewhere."""
        self.page(path, status=status, headers={"Location": location})

    def fetcher(self, names: Names | None = None, parallel: int = 32) -> tuple[Fetcher, Connector]:
        """A client for whom every name has a public address, behind which this server stands."""
        connector = Connector(self.port)
        network = Network(resolver=names or Names(), connector=connector, tls=self.trust)
        return Fetcher(network, parallel), connector

    def trust(self) -> ssl.SSLContext:
        """A TLS context that knows no authority but this server's."""
        return ssl.create_default_context(cafile=self.certificate)


def serve(certificate: Path | None = None, key: Path | None = None) -> Iterator[Web]:
    """Run a server while the caller looks."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.seen.append(self)
            web.pages[self.path](self)
            self.close_connection = True

        def do_POST(self) -> None:
            self.body = self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """Clients that leave early are what the tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None and key is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web = Web(server.server_port, certificate=certificate)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield web
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    """An HTTP server."""
    yield from serve()


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of pictures.example."""
    folder = tmp_path_factory.mktemp("pair")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    name = ["-addext", "subjectAltName=DNS:pictures.example"]
    command = [*CERTIFICATE, *name, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def secure_web(pair: tuple[Path, Path]) -> Iterator[Web]:
    """An HTTPS server for pictures.example."""
    yield from serve(*pair)


@pytest.fixture
def names() -> type[Names]:
    """`names(host_example=[["1.2.3.4"], ["127.0.0.1"]])`: a resolver with answers that change."""
    return Names
