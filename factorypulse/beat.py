"""Celery's clock alone: it names tasks by the clock and sends them, so it needs the settings and none of the product.

`celery -A factorypulse.beat beat`. With the workers' application it would load every model, view and library for good.
"""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.dev")

# Without Celery's part for Django, which would set the product up.
app = Celery("factorypulse", fixups=[], set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect
def _log_as_all_do(**_signal: Any) -> None:
    """Django does this for the other processes."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
