"""POST to an address that a customer chose, without becoming that customer's hand inside our network.

The name is resolved once, every address it has is looked at, and the connection goes to the one that was looked at: a
name that answers differently the second time (DNS rebinding) gains nothing. Redirects are answers like any other. Time
and size are bounded as a whole, so that a server that drips is cut off.
"""

import http
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Timer
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from anomalies.notify.addresses import address_allowed
from common.errors import InvalidInputError

_PORTS_BELOW_1024 = frozenset({80, 443})
_CONNECT_S = 5.0
_WHOLE_S = 10.0
_ANSWER_AT_MOST = 64 * 1024
_USER_AGENT = "FactoryPulse/1 (notifications)"


class AddressRefusedError(InvalidInputError):
    """The address may not be called."""

    code = "address_refused"


class CallFailedError(Exception):
    """Nothing answered in time, or what answered was no HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; of the body no more than the beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def url_check(url: str) -> SplitResult:
    """Refuse what no message is ever sent to; names are looked at again when they are called.

    Raises AddressRefusedError.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefusedError(_("This is no address.")) from error
    if parts.scheme not in {"https", "http"} or not parts.hostname or any(mark <= " " for mark in url):
        raise AddressRefusedError(_("Use a whole address such as https://example.com/hooks/1."))
    if parts.scheme == "http" and not settings.WEBHOOK_HTTP:
        raise AddressRefusedError(_("Use https; the operator of this installation has not allowed http."))
    if parts.username or parts.password:
        raise AddressRefusedError(_("Leave user and password out of the address."))
    if port is not None and port < 1024 and port not in _PORTS_BELOW_1024:
        raise AddressRefusedError(_("Use port 80, 443, or one from 1024 on."))
    _literal_check(parts.hostname)
    return parts


def _literal_check(host: str) -> None:
    """An address in figures is known for what it is before anything is sent there."""
    try:
        address = ip_address(host)
    except ValueError:
        return  # a name, which is looked up each time
    if not address_allowed(address, settings.WEBHOOK_PRIVATE_RANGES):
        raise AddressRefusedError(_("%(address)s is not on the open internet.") % {"address": host})


def post(url: str, body: bytes, headers: Mapping[str, str], *, whole_s: float = _WHOLE_S) -> Answer:
    """Send a body; whatever status comes back is an answer, a redirect too.

    whole_s: seconds from connecting to the end of the answer. Raises AddressRefusedError, CallFailedError.
    """
    return _ask("POST", url, body, headers, whole_s=whole_s)


def ask(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    """Any request; whatever status comes back is an answer. Raises AddressRefusedError, CallFailedError."""
    return _ask(method, url, body, headers, whole_s=_WHOLE_S)


def fetch(url: str, *, whole_s: float = _WHOLE_S) -> bytes:
    """The beginning of a page that is there (200); no redirect is followed.

    Raises AddressRefusedError, CallFailedError.
    """
    answer = _ask("GET", url, None, {}, whole_s=whole_s)
    if answer.status != http.HTTPStatus.OK:
        raise CallFailedError(str(answer.status))
    return answer.body


def _ask(method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, whole_s: float) -> Answer:
    parts = url_check(url)
    secure = parts.scheme == "https"
    host, port = str(parts.hostname), parts.port or (443 if secure else 80)
    address = _resolve(host, port)
    connection = _Pinned(host, port, address=address, secure=secure)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # A time-out of the socket begins anew with every byte; this one does not.
    deadline = Timer(whole_s, connection.cut)
    deadline.daemon = True
    deadline.start()
    try:
        connection.request(method, path, body=body, headers={"User-Agent": _USER_AGENT, **headers})
        response = connection.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read(_ANSWER_AT_MOST))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = _too_late(whole_s) if connection.was_cut else str(error)
        raise CallFailedError(reason or type(error).__name__) from error
    finally:
        deadline.cancel()
        connection.close()
    if connection.was_cut:
        # A connection that is cut looks like an answer that ended.
        raise CallFailedError(_too_late(whole_s))
    return answer


def _too_late(whole_s: float) -> str:
    return _("no answer within %(seconds)s s") % {"seconds": f"{whole_s:g}"}


def _resolve(host: str, port: int) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CallFailedError(_("the name %(host)s is not known") % {"host": host}) from error
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    # All of them: a name with one address outside and one inside is an attempt.
    for address in addresses:
        if not address_allowed(ip_address(address), settings.WEBHOOK_PRIVATE_RANGES):
            raise AddressRefusedError(
                _("%(host)s is at %(address)s, which is not on the open internet.") % {"host": host, "address": address}
            )
    return addresses[0]


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, whatever its host's name means by now; the certificate is checked for the name."""

    def __init__(self, host: str, port: int, *, address: str, secure: bool) -> None:
        super().__init__(host, port, timeout=_CONNECT_S)
        self._address, self._secure, self.was_cut = address, secure, False
        # So that the Host header leaves a scheme's own port out.
        self.default_port = 443 if secure else 80

    def connect(self) -> None:
        """Connect to the address that was looked at."""
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        self.sock: Any = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect((self._address, self.port))
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """Time is up."""
        self.was_cut = True
        if self.sock is not None:
            # From another thread: whoever reads or writes wakes up with an error.
            try:
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
            except OSError:
                self.sock.close()
