"""Which network addresses a message may be sent to: the open internet, and what the operator names. Pure.

Whoever configures a webhook chooses its address, and must not reach with it what only this server can: its own
services, its neighbours, or the cloud's metadata. `is_global` alone lets some of that through (an IPv4 address inside
an IPv6 one, NAT64), so those forms are refused outright.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IPv6 that carries or becomes an IPv4 address on its way: NAT64 (RFC 6052, 8215), 6to4, Teredo, and the mapped and
# compatible forms; and site-local addresses, which went out of use.
_CARRIERS = tuple(
    ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0/96", "::/96", "fec0::/10")
)
# Where clouds tell a server its own secrets; refused even inside a range that the operator allows.
_METADATA = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "168.63.129.16", "100.100.100.200", "192.0.0.192")
)


def address_allowed(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether a message may go there. allowed: private ranges that the operator has named.

    >>> address_allowed(ip_address("93.184.215.14")), address_allowed(ip_address("127.0.0.1"))
    (True, False)
    >>> address_allowed(ip_address("64:ff9b::a9fe:a9fe")), address_allowed(ip_address("::ffff:10.0.0.1"))
    (False, False)
    >>> address_allowed(ip_address("10.20.0.7"), [ip_network("10.20.0.0/16")])
    True
    """
    if address in _METADATA:
        return False
    if any(address in network for network in allowed if network.version == address.version):
        return not (address.is_link_local or address.is_multicast or address.is_unspecified)
    if isinstance(address, IPv6Address) and any(address in network for network in _CARRIERS):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def networks_parse(texts: Sequence[str]) -> list[Network]:
    """Ranges in CIDR form. Raises ValueError.

    >>> networks_parse(["10.20.0.0/16", "fd00::/8"])
    [IPv4Network('10.20.0.0/16'), IPv6Network('fd00::/8')]
    """
    return [ip_network(text) for text in texts]
