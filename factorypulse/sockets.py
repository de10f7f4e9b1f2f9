"""The addresses at which a socket may be opened."""

from typing import Any

from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier


class KnownAddresses(URLRouter):
    """Refuses every other address; the library's own router would raise, which is a fault of ours in the logs."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        path = scope["path"].removeprefix("/")
        known = any(route.pattern.match(path) for route in self.routes)
        door = super().__call__ if known else WebsocketDenier.as_asgi()
        return await door(scope, receive, send)
