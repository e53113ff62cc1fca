"""Which IP addresses belong to the public internet.

The rules are stricter than `ipaddress.is_global`, which differs between Python releases and takes addresses
for public that carry a private one inside.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

# IANA's registries of special addresses, in addition to what every supported Python release knows.
SPECIAL_V4 = tuple(
    IPv4Network(text)
    for text in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/3")
)
SPECIAL_V6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"))
UNICAST_V6 = IPv6Network("2000::/3")
TRANSLATED = IPv6Network("64:ff9b::/96")
"""NAT64 (RFC 6052): the last 32 bits are the IPv4 address that is really reached."""


def is_public(address: Address) -> bool:
    """Whether the address, and every IPv4 address inside it, can only be a machine on the public internet.

    Teredo and private NAT64 prefixes are never public; 6to4 and mapped addresses count as the IPv4 address
    inside.
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in SPECIAL_V4)
    inner = embedded(address)
    if inner is not None:
        return is_public(inner)
    if address.scope_id is not None or address not in UNICAST_V6:
        return False
    return address.is_global and not any(address in network for network in SPECIAL_V6)


def embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a mapped, NAT64 or 6to4 address stands for."""
    if address in TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


def literal(host: str) -> Address | None:
    """`host` as an address in its standard spelling, None for a name.

    Other spellings (`0x7f.1`, `2130706433`) are names here: whatever the resolver makes of them is judged.
    """
    try:
        return ip_address(host)
    except ValueError:
        return None
