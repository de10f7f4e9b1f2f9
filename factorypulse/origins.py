"""Which pages may open a socket: ours, and those of the very host that the socket is asked of."""

from typing import Any
from urllib.parse import urlparse

from channels.security.websocket import OriginValidator, WebsocketDenier
from django.conf import settings

Message = dict[str, Any]


class OwnOriginValidator(OriginValidator):
    """As Channels' AllowedHostsOriginValidator, and for factories' own domains too.

    A page of the host that it asks is no stranger's page; whether any factory answers at that host, and whose session
    it is, FactoryConsumer settles.
    """

    _asgi_single_callable = True

    def __init__(self, application: Any) -> None:
        super().__init__(application, list(settings.ALLOWED_HOSTS))

    def valid_origin(self, parsed_origin: Any) -> bool:
        """A program sends no Origin and comes in with a ticket. Every browser sends one, so whoever leaves it out is no
        foreign page that rides on somebody's cookie."""
        return parsed_origin is None or bool(super().valid_origin(parsed_origin))

    def __call__(self, scope: Message, receive: Any, send: Any) -> Any:
        """Let it in, or deny. A plain call: see `factorypulse.sockets`."""
        application = self.application if self._allows(scope) else WebsocketDenier()
        return application(scope, receive, send)

    def _allows(self, scope: Message) -> bool:
        headers = dict(scope.get("headers", ()))
        origin = headers[b"origin"].decode("latin-1") if b"origin" in headers else None
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if origin and host and origin.lower().partition("://")[2] == host:
            return True
        return self.valid_origin(None if origin is None else urlparse(origin))
