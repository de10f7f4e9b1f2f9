"""ASGI entry: sockets everywhere, pages and API too in the trial."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.dev")
django.setup(set_prefix=False)

from django.urls import path  # noqa: E402  # after Django is set up

from factorypulse.origins import OwnOriginValidator  # noqa: E402
from factorypulse.prometheus import web_figures_begin  # noqa: E402  # after Django is set up
from factorypulse.sockets import KnownAddresses, PlainProtocolRouter  # noqa: E402  # after Django is set up
from factorypulse.threaded import ThreadedHandler  # noqa: E402
from telemetry.live.consumers import LiveConsumer  # noqa: E402

web_figures_begin()
application = PlainProtocolRouter(
    {
        "http": ThreadedHandler(),
        # Origin check; who is asking, and in which factory, is settled by tenants.consumers.FactoryConsumer.
        "websocket": OwnOriginValidator(KnownAddresses([path("ws/live", LiveConsumer.as_asgi())])),
    }
)
