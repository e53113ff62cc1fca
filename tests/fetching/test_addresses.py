from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdapi_compat.fetching.addresses import embedded, is_public, literal

PUBLIC = (
    "1.1.1.1",
    "93.184.215.14",
    "100.63.255.255",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "64:ff9b::101:101",
    "::ffff:1.1.1.1",
    "2002:101:101::1",
)
NOT_PUBLIC = (
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::101:101",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2001:10::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
)


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text):
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_not_public(text):
    assert not is_public(ip_address(text))


@given(st.ip_addresses(v=4))
def test_carriers_are_as_public_as_what_they_carry(address: IPv4Address):
    number = int(address)
    mapped = IPv6Address((0xFFFF << 32) | number)
    translated = IPv6Address((0x64FF9B << 96) | number)
    tunnelled = IPv6Address((0x2002 << 112) | (number << 80) | 1)
    for carrier in (mapped, translated, tunnelled):
        assert embedded(carrier) == address
        assert is_public(carrier) == is_public(address)


@given(st.ip_addresses())
def test_public_is_never_more_than_python_says(address):
    inner = embedded(address) if isinstance(address, IPv6Address) else None
    if is_public(address):
        plain = inner or address
        assert plain.is_global
        assert not any((plain.is_multicast, plain.is_private, plain.is_loopback, plain.is_link_local))


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "", "1.2.3.4 "])
def test_other_spellings_are_names(host):
    assert literal(host) is None
