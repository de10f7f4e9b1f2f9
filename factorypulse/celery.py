"""The Celery application; tasks that touch a factory use `tenants.tasks.FactoryTask`."""

import os
from typing import Any

from celery import Celery, Task
from celery.signals import task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.dev")

app = Celery("factorypulse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_prerun.connect
def _connections_look(task: "Task[Any, Any]", **_signal: Any) -> None:
    """Kept from task to task, a connection may have died or grown old meanwhile: the task then gets a new one."""
    from django.db import close_old_connections  # settings are read once the application stands

    if not task.request.is_eager:
        close_old_connections()
