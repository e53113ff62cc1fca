"""Hypercorn around the app: addresses, TLS, signals and an orderly end."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from typing import TYPE_CHECKING

from hypercorn.asyncio import serve
from hypercorn.config import Config

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from sdapi_compat.engine.engine import Engine
    from sdapi_compat.settings import Settings

log = logging.getLogger(__name__)

HEADER_BYTES = 64 * 1024
BACKLOG = 2048
OPEN_FILES = 65536
# How long an interrupted job may take to answer: one model call, decoding and encoding.
LAST_SECONDS = 15.0


def addresses(settings: Settings) -> list[str]:
    """host:port pairs to listen on: the first free port, and the additional one when it is free.

    OSError when no port is free, or the host is not this machine's.
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    port = next((port for port in settings.ports if _is_free(settings.host, port)), None)
    if port is None:
        raise OSError(f"no free port on {settings.host} among {settings.ports[0]}-{settings.ports[-1]}")
    found = [f"{host}:{port}"]
    if settings.also_port not in (None, port) and _is_free(settings.host, settings.also_port):
        found.append(f"{host}:{settings.also_port}")
    return found


def _is_free(host: str, port: int | None) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise OSError(f"{host} is no address of this machine: {error.strerror}") from None
        return True


def configuration(settings: Settings, bind: list[str]) -> Config:
    """Hypercorn's settings for ours. OSError for a certificate or key that cannot be used."""
    config = Config()
    config.bind = bind
    config.certfile = None if settings.tls_certfile is None else str(settings.tls_certfile)
    config.keyfile = None if settings.tls_keyfile is None else str(settings.tls_keyfile)
    config.keep_alive_timeout = settings.timeout_keep_alive
    config.graceful_timeout = settings.graceful_timeout + LAST_SECONDS
    config.shutdown_timeout = LAST_SECONDS
    config.h11_max_incomplete_size = HEADER_BYTES
    config.backlog = BACKLOG
    config.root_path = settings.subpath
    # Given a logger, Hypercorn adds no handler of its own beside ours.
    config.errorlog = log.getChild("hypercorn")
    config.errorlog.setLevel(logging.WARNING)
    config.include_server_header = False
    if config.ssl_enabled:
        try:
            config.create_ssl_context()
        except OSError as error:
            raise OSError(f"the certificate or its key cannot be used: {error}") from None
    return config


def allow_many_connections() -> None:
    """Every caller that waits holds an open file; the usual limit of 1024 is too low for a thousand."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > soft:
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def run(app: ASGIApp, config: Config, engine: Engine, seconds: float) -> None:
    """Serve until SIGINT or SIGTERM.

    Then what waits is refused, and what runs has `seconds`, after which it answers with what there is. A
    second signal ends that time.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        for job in engine.queue.running():
            job.control.interrupted = True

    def on_signal() -> None:
        if stop.is_set():
            interrupt()
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(name, on_signal)
        except NotImplementedError:  # Windows has no loop signal handlers
            signal.signal(name, lambda *_: loop.call_soon_threadsafe(on_signal))

    async def stopped() -> None:
        await stop.wait()
        log.info("stopping: waiting jobs are refused, the running one has %s s", seconds)
        engine.drain()
        loop.call_later(seconds, interrupt)

    await serve(app, config, shutdown_trigger=stopped)  # type: ignore[arg-type]
