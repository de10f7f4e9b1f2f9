"""ASGI entry: sockets everywhere, pages and API too in the trial."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.dev")
_http = get_asgi_application()

from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402  # after Django is set up
from django.urls import path  # noqa: E402

from telemetry.live.consumers import LiveConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": _http,
        # Origin check; who is asking, and in which factory, is settled by tenants.consumers.FactoryConsumer.
        "websocket": AllowedHostsOriginValidator(URLRouter([path("ws/live", LiveConsumer.as_asgi())])),
    }
)
