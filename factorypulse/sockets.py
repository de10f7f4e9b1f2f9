"""The addresses at which a socket may be opened, and the way there.

By plain calls: what a coroutine on the way holds, it holds for the hours that a socket stays. Channels' own routers are
one each, and every socket would keep them all, with a copy of the scope.
"""

from collections.abc import Awaitable
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import WebsocketDenier

Scope = dict[str, Any]


class PlainProtocolRouter(ProtocolTypeRouter):
    """As Channels' own; raises ValueError for what is neither HTTP nor a socket."""

    _asgi_single_callable = True  # asgiref can't see it, because this is no coroutine function

    def __call__(self, scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
        """The part for the protocol, called."""
        if scope["type"] not in self.application_mapping:
            raise ValueError(f"nothing here speaks {scope['type']!r}")
        called: Awaitable[None] = self.application_mapping[scope["type"]](scope, receive, send)
        return called


class KnownAddresses(URLRouter):
    """Refuses every other address; the library's own router would raise, which is a fault of ours in the logs."""

    _asgi_single_callable = True

    def __call__(self, scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
        """The consumer's own coroutine."""
        path = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        for route in self.routes:
            if route.pattern.match(path) is not None:
                consumer = route.callback.consumer_class(**route.callback.consumer_initkwargs)
                return consumer(scope, receive, send)  # type: ignore[no-any-return]
        return WebsocketDenier()(scope, receive, send)  # type: ignore[no-any-return]
