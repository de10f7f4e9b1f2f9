"""The roof: settings, URLs, ASGI, Celery. Imported by nobody below."""
