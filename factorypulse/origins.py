"""Which pages may open a socket: ours, and those of the very host that the socket is asked of."""

from typing import Any

from channels.security.websocket import OriginValidator
from django.conf import settings

Message = dict[str, Any]


class OwnOriginValidator(OriginValidator):
    """As Channels' AllowedHostsOriginValidator, and for factories' own domains too.

    A page of the host that it asks is no stranger's page; whether any factory answers at that host, and whose session
    it is, FactoryConsumer settles.
    """

    def __init__(self, application: Any) -> None:
        super().__init__(application, list(settings.ALLOWED_HOSTS))

    def valid_origin(self, parsed_origin: Any) -> bool:
        """A program sends no Origin and comes in with a ticket. Every browser sends one, so whoever leaves it out is no
        foreign page that rides on somebody's cookie."""
        return parsed_origin is None or bool(super().valid_origin(parsed_origin))

    async def __call__(self, scope: Message, receive: Any, send: Any) -> Any:
        """Let it in, or deny."""
        headers = dict(scope.get("headers", ()))
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if origin and host and origin.partition("://")[2] == host:
            return await self.application(scope, receive, send)
        return await super().__call__(scope, receive, send)
