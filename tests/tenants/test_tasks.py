"""Tasks run inside one factory or not at all."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from celery import shared_task
from django.conf import settings
from django.db import connection

from tenants.context import factory_current
from tenants.models import Factory
from tenants.tasks import FactoryMissingError, FactoryTask, for_each_factory

_ran: list[tuple[Any, ...]] = []


@shared_task(bind=True, base=FactoryTask, name="tests.tenants.note")
def note(self: FactoryTask, *args: Any, **kwargs: Any) -> str:
    _ran.append((self.factory.slug, connection.schema_name, args, kwargs))
    return self.factory.slug


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    _ran.clear()
    conf = note.app.conf
    conf.task_always_eager = conf.task_eager_propagates = True
    yield
    conf.task_always_eager = conf.task_eager_propagates = False


def test_a_task_runs_in_the_factory_it_was_enqueued_for(acme: Factory, borg: Factory) -> None:
    note.for_factory("acme", 1, two=2)
    note.for_factory("borg")
    assert _ran == [("acme", "f_acme", (1,), {"two": 2}), ("borg", "f_borg", (), {})]
    assert factory_current() is None


def test_every_thread_enqueues_at_the_products_own_broker() -> None:
    brokers: list[str] = []
    thread = Thread(target=lambda: brokers.append(note.app.conf.broker_url))
    thread.start()
    thread.join()
    assert brokers == [settings.REDIS_URL]


def test_a_task_without_a_factory_refuses_to_run(acme: Factory) -> None:
    with pytest.raises(FactoryMissingError):
        note.delay()
    with pytest.raises(FactoryMissingError):
        _ = note.factory
    assert _ran == []


def test_a_task_of_a_deleted_factory_is_dropped(db: None) -> None:
    assert note.for_factory("gone").get() is None
    assert _ran == []


def test_a_task_that_fails_leaves_its_factory(acme: Factory) -> None:
    @shared_task(bind=True, base=FactoryTask, name="tests.tenants.fail")
    def fail(self: FactoryTask) -> None:
        raise ArithmeticError(self.factory.slug)

    with pytest.raises(ArithmeticError, match="acme"):
        fail.for_factory("acme")
    assert factory_current() is None


def test_a_task_for_every_factory_is_enqueued_once_for_each(acme: Factory, borg: Factory) -> None:
    assert for_each_factory(note, "x") == 2
    assert [slug for slug, *_rest in _ran] == ["acme", "borg"]
