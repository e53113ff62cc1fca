"""`python -m sdapi_compat [flags]`: flags -> Settings -> serve."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING

from sdapi_compat import logs
from sdapi_compat.settings import parse

if TYPE_CHECKING:
    from sdapi_compat.settings import Settings


def main() -> int:
    """The console command `sdapi-compat`. Returns the exit status."""
    # Huge pages for large tensors in main memory: PyTorch's own switch, read at its first allocation.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    settings = parse(sys.argv[1:], os.environ)
    logs.configure(settings.loglevel, settings.log_format)
    from sdapi_compat.app import build_app
    from sdapi_compat.server import addresses, allow_many_connections, configuration, run
    from sdapi_compat.services import make_services

    try:
        bind = addresses(settings)
        config = configuration(settings, bind)
    except OSError as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return 1
    allow_many_connections()
    services = make_services(settings)
    announce(settings, bind)
    asyncio.run(run(build_app(services), config, services.engine, settings.graceful_timeout))
    return leave(0)


def leave(status: int) -> int:
    """Give back `status`; with torch in the process, end it at once instead.

    Everything has been answered and saved. Taking torch apart needs seconds, and crashes when a thread is
    still importing or computing.
    """
    if "torch" in sys.modules:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(status)
    return status


def announce(settings: Settings, bind: list[str]) -> None:
    """Tell a newcomer where the server is."""
    scheme = "https" if settings.tls_certfile else "http"
    local = [address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]") for address in bind]
    urls = [f"{scheme}://{address}{settings.subpath}" for address in local]
    print(f"Serving on {' and '.join(urls)}")
    print(f"Try it in a browser: {urls[0]}/docs   (stop with Ctrl+C)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
