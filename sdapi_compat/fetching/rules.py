"""What one fetch may do."""

from __future__ import annotations

from dataclasses import dataclass

from sdapi_compat.fetching.addresses import is_public, literal
from sdapi_compat.fetching.failures import FetchError, LocalTarget
from sdapi_compat.fetching.target import Target, parse

WEB_PORTS = frozenset({80, 443})


@dataclass(frozen=True)
class Rules:
    """Where to, and how much.

    `local`: addresses that are not public too, and every port; else public ones at `ports` only.
    `max_bytes`: of the body, as sent and unpacked. `seconds`: for everything, redirects included.
    """

    local: bool = False
    ports: frozenset[int] = WEB_PORTS
    max_bytes: int = 64 * 1024 * 1024
    seconds: float = 30.0
    redirects: int = 5
    user_agent: str = "sdapi_compat"

    def check_addresses(self, addresses: list[str]) -> None:
        """Raises LocalTarget if one of what a host name stands for is not public."""
        found = [literal(address) for address in addresses]
        if not self.local and not all(address is not None and is_public(address) for address in found):
            raise LocalTarget

    def check_port(self, port: int) -> None:
        """Raises FetchError for a port that is not the web's."""
        if not self.local and port not in self.ports:
            raise FetchError(f"port {port} is not allowed")


def check(url: str, rules: Rules) -> Target:
    """What can be said of a URL without asking anybody: its form, its port, and an address written out.

    Raises FetchError.
    """
    target = parse(url)
    if literal(target.host) is not None:
        rules.check_addresses([target.host])
    rules.check_port(target.port)
    return target
