"""Celery's clock: small, and what it sends is there."""

import json
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings

from factorypulse.celery import app as workers

_SHARED = ("broker_url", "task_serializer", "task_default_queue", "task_ignore_result", "timezone", "beat_schedule")
# In a process of its own, as it runs: a second application would be in the way of this one's.
_CLOCK = """
import json, sys
from celery.apps.beat import Beat
from factorypulse.beat import app
Beat(app=app).init_loader()
print(json.dumps({"conf": {name: getattr(app.conf, name) for name in sys.argv[1:]}, "modules": list(sys.modules)}))
"""


@pytest.fixture(scope="module")
def clock() -> dict[str, Any]:
    words = [sys.executable, "-c", _CLOCK, *_SHARED]
    found: dict[str, Any] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return found


def test_workers_know_every_task_that_the_clock_sends() -> None:
    workers.loader.import_default_modules()
    assert set(settings.CELERY_BEAT_SCHEDULE) <= set(workers.tasks)


def test_the_clock_sends_as_the_workers_expect(clock: dict[str, Any]) -> None:
    assert clock["conf"] == {name: getattr(workers.conf, name) for name in _SHARED}


def test_the_clock_loads_nothing_of_the_product(clock: dict[str, Any]) -> None:
    ours = {"common", "tenants", "accounts", "telemetry", "anomalies", "reports", "rest_framework", "numpy"}
    assert ours.isdisjoint(clock["modules"])
