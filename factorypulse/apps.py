"""Ties the roof to Django's start."""

from django.apps import AppConfig


class FactoryPulseConfig(AppConfig):
    """Makes every Django process, and not the worker alone, know the broker: pages and ingest enqueue too."""

    name = "factorypulse"

    def ready(self) -> None:
        # A task that is enqueued without this goes to Celery's default broker, where nobody listens.
        from factorypulse.celery import app

        app.set_default()
