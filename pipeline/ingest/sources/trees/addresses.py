"""Which addresses of the network a source may make us connect to (pure).

Whoever writes a list of URLs chooses what this machine connects to, from where it stands: behind the firewall, beside
services that trust their neighbours. So only addresses of the public internet are right unless an operator says
otherwise: neither private, shared, loopback, link-local and reserved ones (the special-purpose registries of IANA, RFC
6890), nor multicast, nor any of those written in IPv6 (IPv4-mapped, RFC 4291; 6to4, RFC 3056; NAT64, RFC 6052).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
# Translated by rules of the network they are in, or carried in tunnels: where they lead is not in the address.
_OPAQUE = tuple(map(IPv6Network, ("64:ff9b:1::/48", "2001::/32", "::/96", "fec0::/10")))


def address_fault(address: str) -> str:
    """Why nothing may be connected to at the IP address, or `""`. What is none has a fault as well."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address} is no address"
    carried = _carried(found)
    return "" if _is_public(carried) else f"{address} is not an address of the public internet"


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address leads to, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and any(address in network for network in _OPAQUE):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
