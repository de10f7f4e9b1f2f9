"""Factories interleaved at random over threads, async code and pooled connections: every statement runs in its own."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from telemetry.models import Site
from tenants.consumers import run_in_factory
from tenants.context import factory_context
from tenants.database.base import DatabaseWrapper
from tenants.database.names import role_name
from tenants.models import Factory

KINDS = ("read", "write", "nested", "roll back", "break")
STEPS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from(KINDS)), min_size=4, max_size=14)
expected: ContextVar[Factory | None] = ContextVar("expected", default=None)
seen: list[str] = []


def _checked(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Asks PostgreSQL itself, before every statement, where it would run."""
    factory, own = expected.get(), context["connection"]
    if factory is not None and own.schema_name == factory.schema_name and not sql.startswith("SELECT set_config"):
        with own.connection.cursor() as cursor:
            schema, role = cursor.execute("SELECT current_schema(), current_user").fetchone()
        assert (schema, role) == (factory.schema_name, role_name(str(own.settings_dict["NAME"]), factory.schema_name))
        seen.append(schema)
    return execute(sql, params, many, context)


@contextmanager
def _watched(factory: Factory) -> Iterator[None]:
    token = expected.set(factory)
    try:
        with connection.execute_wrapper(_checked):
            yield
    finally:
        expected.reset(token)


def _step(factories: list[Factory], which: int, kind: str) -> None:
    """One piece of work of one factory, inside its context."""
    factory, other = factories[which], factories[1 - which]
    with _watched(factory):
        assert list(Site.objects.values_list("name", flat=True)) == [factory.slug]
        if kind == "write":
            with transaction.atomic():
                Site.objects.filter(name=factory.slug).update(time_zone="UTC")
        elif kind == "nested":
            with factory_context(other), _watched(other):
                assert Site.objects.get().name == other.slug
        elif kind in {"roll back", "break"}:
            with pytest.raises(ZeroDivisionError):
                _failing(other)
        assert Site.objects.get().name == factory.slug
        assert not User.objects.exists()


def _failing(other: Factory) -> None:
    with transaction.atomic():
        with factory_context(other):
            Site.objects.update(name="never")
        raise ZeroDivisionError


def _in_thread(factories: list[Factory], steps: list[tuple[int, str]]) -> None:
    try:
        for which, kind in steps:
            with factory_context(factories[which]):
                _step(factories, which, kind)
    finally:
        connections["default"].close()


def _pooled(factories: list[Factory], steps: list[tuple[int, str]]) -> None:
    """Each step with a connection from the pool, whoever used it last."""
    plain = connections["default"]
    options = {**plain.settings_dict["OPTIONS"], "pool": {"min_size": 1, "max_size": 2, "timeout": 10}}
    pooled = DatabaseWrapper({**plain.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": 0}, alias="default")
    connections["default"] = pooled
    try:
        for which, kind in steps:
            with factory_context(factories[which]):
                _step(factories, which, kind)
            pooled.close()
    finally:
        pooled.close()
        pooled.close_pool()
        connections["default"] = plain


def _together(factories: list[Factory], steps: list[tuple[int, str]]) -> None:
    """As consumers do: all at once on one event loop, with threads that they share."""

    async def all_at_once() -> None:
        work = [run_in_factory(factories[which], _step, factories, which, kind) for which, kind in steps]
        await asyncio.gather(*work)

    asyncio.run(all_at_once())


WORKERS: list[Callable[[list[Factory], list[tuple[int, str]]], None]] = [_in_thread, _pooled, _together]


@pytest.fixture
def furnished(live_factories: Callable[..., Factory]) -> list[Factory]:
    made = [live_factories(), live_factories()]
    for factory in made:
        with factory_context(factory):
            Site.objects.create(name=factory.slug)
    return made


def test_every_statement_runs_in_the_factory_that_its_code_has_entered(furnished: list[Factory]) -> None:
    seen.clear()

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(steps=STEPS)
    def interleaved(steps: list[tuple[int, int, str]]) -> None:
        with ThreadPoolExecutor(3) as threads:
            running = [
                threads.submit(copy_context().run, work, furnished, [step[1:] for step in steps if step[0] == number])
                for number, work in enumerate(WORKERS)
            ]
            for one in running:
                one.result(timeout=60)

    interleaved()
    assert {factory.schema_name for factory in furnished} == set(seen)
