"""Which addresses the server listens on."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from sdapi_compat.server import addresses, configuration
from sdapi_compat.settings import Settings, parse

ROOT = Path(__file__).absolute().parents[2]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(tmp_path: Path, *flags: str) -> Settings:
    return parse(["--nowebui", "--data-dir", str(tmp_path), *flags], {})


def test_the_port_asked_for_is_taken(tmp_path: Path) -> None:
    port = free()
    assert addresses(settings(tmp_path, "--port", str(port))) == [f"127.0.0.1:{port}"]


def test_a_port_in_use_is_no_choice(tmp_path: Path, taken: int) -> None:
    with pytest.raises(OSError, match=f"no free port on 127.0.0.1 among {taken}-{taken}"):
        addresses(settings(tmp_path, "--port", str(taken)))


def test_without_a_port_the_first_free_one_of_a_range_is_taken(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    assert len(chosen.ports) > 1
    (address, *_) = addresses(chosen)
    assert int(address.rpartition(":")[2]) in chosen.ports


def test_a_second_port_is_taken_if_it_is_free(tmp_path: Path, taken: int) -> None:
    port, also = free(), free()
    one = settings(tmp_path, "--port", str(port))
    assert addresses(msgspec.structs.replace(one, also_port=also))[1] == f"127.0.0.1:{also}"
    assert len(addresses(msgspec.structs.replace(one, also_port=taken))) == 1
    assert len(addresses(msgspec.structs.replace(one, also_port=port))) == 1


def test_addresses_of_ipv6_stand_in_brackets(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = probe.getsockname()[1]
    assert addresses(settings(tmp_path, "--server-name", "::1", "--port", str(port))) == [f"[::1]:{port}"]


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid"])
def test_a_host_that_is_not_this_machine_is_told(tmp_path: Path, host: str) -> None:
    with pytest.raises(OSError, match=f"{host} is no address of this machine"):
        addresses(settings(tmp_path, "--server-name", host, "--port", str(free())))


LIMITS = """
import resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
from sdapi_compat.server import allow_many_connections
allow_many_connections()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), hard)
"""


def test_the_limit_of_open_files_is_raised() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITS], capture_output=True, text=True, cwd=ROOT, check=True
    )
    soft, hard, before = map(int, done.stdout.split())
    assert soft == (min(hard, 65536) if hard > 0 else 65536)
    assert hard == before


def test_hypercorn_gets_our_settings(tmp_path: Path) -> None:
    flags = ["--timeout-keep-alive", "7", "--graceful-timeout", "9", "--subpath", "/sd"]
    config = configuration(settings(tmp_path, *flags), ["127.0.0.1:1"])
    assert config.keep_alive_timeout == 7
    assert config.graceful_timeout > 9
    assert config.root_path == "/sd"
    assert config.bind == ["127.0.0.1:1"]
    assert config.include_server_header is False
