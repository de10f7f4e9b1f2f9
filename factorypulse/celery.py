"""The Celery application; tasks that touch a factory use `tenants.tasks.FactoryTask`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.dev")

app = Celery("factorypulse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
