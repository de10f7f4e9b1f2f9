"""The Celery application; tasks that touch a factory use `tenants.tasks.FactoryTask`."""

import os
from typing import Any

from celery import Celery, Task
from celery.signals import task_postrun, task_prerun

from common import clock
from common.memory import memory_return

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.dev")

_RETURN_EVERY_S = 5.0
_returned_s = 0.0

app = Celery("factorypulse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_prerun.connect
def _connections_look(task: "Task[Any, Any]", **_signal: Any) -> None:
    """Kept from task to task, a connection may have died or grown old meanwhile: the task then gets a new one."""
    from django.db import close_old_connections  # settings are read once the application stands

    if not task.request.is_eager:
        close_old_connections()


@task_postrun.connect
def _memory_returns(task: "Task[Any, Any]", **_signal: Any) -> None:
    """What compaction and training have needed for a moment is not the worker's for good."""
    global _returned_s  # noqa: PLW0603  # one figure a process; two threads that both return memory do no harm
    now_s = clock.monotonic_s()
    if not task.request.is_eager and now_s - _returned_s >= _RETURN_EVERY_S:
        _returned_s = now_s
        memory_return()
