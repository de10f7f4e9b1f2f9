"""Where a broker answers and how to sign in, from one URL. Pure."""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"mqtt": 1883, "mqtts": 8883}


class BrokerAddressError(ValueError):
    """The URL is none; the sentence says why, without repeating the password in it."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker to subscribe to; user is empty where it asks for none.

    share: the name under which several nodes take turns (MQTT 5 shared subscription); empty for one node alone.
    """

    host: str
    port: int
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    share: str = ""


def broker_address(url: str) -> BrokerAddress:
    """Read mqtt:// or mqtts://user:password@host:port?share=name. Raises BrokerAddressError.

    >>> broker_address("mqtts://factorypulse:p%40ss@broker.example")
    BrokerAddress(host='broker.example', port=8883, tls=True, user='factorypulse', share='')
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BrokerAddressError(
            "the host or the port can't be read; special characters of a password are written as %40 and the like"
        ) from error
    fault = _fault(parts, port)
    if fault:
        raise BrokerAddressError(fault)
    return BrokerAddress(
        host=parts.hostname or "",
        port=_PORTS[parts.scheme] if port is None else port,
        tls=parts.scheme == "mqtts",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        share=parts.query.removeprefix("share="),
    )


def _fault(parts: SplitResult, port: int | None) -> str:
    if parts.scheme not in _PORTS:
        return "it begins with mqtt:// or mqtts://"
    if not parts.hostname:
        return "the host is missing"
    if port == 0:
        return "port 0 is none to connect to"
    unknown = parts.query and not re.fullmatch(r"share=\w{1,40}", parts.query, re.ASCII)
    if parts.path.strip("/") or unknown or parts.fragment:
        return "only ?share=name may follow the port; special characters of a password are written as %2F and the like"
    if parts.password and not parts.username:
        return "a password needs a user name"
    return ""
