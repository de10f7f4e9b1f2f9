"""How a plant's identity provider is asked: by the client that reaches nothing inside our own network.

An owner names the provider, and its own documents name where tokens and keys are had: each of these addresses is looked
at when it is called, redirects too. The trial asks plainly, because its provider may stand on the same machine.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import requests
from django.conf import settings
from requests.adapters import BaseAdapter

_WAIT_S = 5.0


class Answered(NamedTuple):
    """What came back, as the floor with the client tells it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# The floor above has the client; it leaves here how to ask: method, address, body, headers.
Ask = Callable[[str, str, bytes | None, Mapping[str, str]], Any]
_askers: list[Ask] = []


def ask_by(ask: Ask) -> None:
    """Leave word of how to ask an address that a customer chose; its answer has what `Answered` has."""
    _askers[:] = [ask]


def provider_session() -> requests.Session:
    """What allauth asks a provider by."""
    session = requests.Session()
    if settings.TRIAL:
        session.request = partial(session.request, timeout=_WAIT_S)  # type: ignore[method-assign]  # requests has no setting for it
        return session
    # Neither a proxy of the environment nor a password file of the machine is a customer's to use.
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Guarded())
    return session


class _Guarded(BaseAdapter):
    """Sends by the client that was lent to us, which sets time and size a bound as well."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        (ask,) = _askers
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        headers = {name: str(value) for name, value in request.headers.items() if name.lower() != "accept-encoding"}
        try:
            answered = ask(str(request.method), str(request.url), body or None, headers)
        except Exception as error:  # whatever a stranger's server did, it did not answer
            raise requests.ConnectionError(str(error), request=request) from error
        return _response(request, answered)

    def close(self) -> None:
        """Nothing is kept open."""


def _response(request: requests.PreparedRequest, answered: Any) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url, response.request = answered.status, str(request.url), request
    response.headers.update(answered.headers)
    response._content = answered.body
    return response
