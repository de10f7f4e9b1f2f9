"""WSGI entry: pages and API in production."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.dev")
application = get_wsgi_application()

from factorypulse.prometheus import web_figures_begin  # noqa: E402  # after Django is set up

web_figures_begin()
