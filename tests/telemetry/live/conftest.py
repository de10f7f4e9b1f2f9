"""Plants for live sockets."""

from collections.abc import Callable

import pytest

from accounts.models import Role
from telemetry.models import Machine, Metric
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import person_make
from tests.telemetry.live.stage import Plant


@pytest.fixture
def plants(live_factories: Callable[..., Factory]) -> Callable[[], Plant]:
    def make() -> Plant:
        factory = live_factories()
        person = person_make(factory, "vera@here.example", Role.VIEWER)
        with factory_context(factory):
            machines = {key: Machine.objects.create(key=key) for key in ("M01", "M02")}
            for machine in machines.values():
                Metric.objects.bulk_create(Metric(machine=machine, name=name) for name in ("vibration", "temperature"))
        return Plant(factory, person, machines)

    return make


@pytest.fixture
def plant(plants: Callable[[], Plant]) -> Plant:
    return plants()


@pytest.fixture
def two_plants(plants: Callable[[], Plant]) -> tuple[Plant, Plant]:
    return plants(), plants()
