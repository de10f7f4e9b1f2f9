"""Factories come, change and go while devices send: nothing is lost, and nobody goes on who may not.

How long "at once" takes is measured by polling and printed. A machine that is busy with other tests is no reason to
fail at one second, so the bound is generous, and the figure is there to be read.
"""

import time

import pytest
from django.core.management import call_command

from accounts.api_keys import api_key_revoke, keys_forget
from accounts.models import ApiKey
from common import clock
from telemetry.models import Machine
from tenants.context import factory_context, factory_get
from tenants.life import factories_delete_due, factory_delete_later
from tenants.migrating import schemas_behind, schemas_migrate
from tenants.models import Factory
from tenants.provisioning import factory_delete
from tenants.remains import factory_remains
from tests.faults.conftest import LONG, plant_make

pytestmark = [pytest.mark.timeout(7200 if LONG else 600)]
MIGRATED = 100 if LONG else 4
_BOUND_S = 30.0
_REFUSALS = 5  # 0.2 s apart


def _silenced(sender, *, what):
    """Wait until it was refused many times in a row and nothing was acknowledged meanwhile; prints how long that took.

    A process may remember a key for a second, so one more connection within it is no fault.
    """
    began = last_s = time.monotonic()
    acknowledged, breaks = sender.acknowledged, sender.breaks
    while sender.breaks < breaks + _REFUSALS:
        if sender.acknowledged != acknowledged:
            acknowledged, breaks, last_s = sender.acknowledged, sender.breaks, time.monotonic()
        assert time.monotonic() - began < _BOUND_S, f"{what}: still acknowledged after {_BOUND_S} s"
        time.sleep(0.005)
    print(f"{what}: the last acknowledgement {last_s - began:.2f} s after")


def test_a_revoked_keys_open_mqtt_connection_is_closed_and_none_opens_again(plant, running):
    ingest = running()
    sender = plant.sender(ingest, pause_s=0.01)
    sender.start()
    sender.wait_for_more(50)
    with factory_context(plant.factory):
        key = ApiKey.objects.get()
        api_key_revoke(key=key)
    try:
        _silenced(sender, what="key revoked")
    finally:
        sender.finish(within_s=0.1)
    plant.drained()
    assert plant.verdict(sender).clean, "what was acknowledged before is stored"


def test_a_factory_deleted_while_it_sends_is_silenced_and_leaves_nothing(plant, running, live_factories):
    neighbour = plant_make(live_factories(), plant.folder, plant.environment)
    ingest = running()
    sender, other = plant.sender(ingest, pause_s=0.005), neighbour.sender(ingest, "M02", pause_s=0.005)
    for each in (sender, other):
        each.start()
        each.wait_for_more(50)
    factory_delete_later(plant.factory)
    try:
        _silenced(sender, what="factory leaves")
    finally:
        sender.finish(within_s=0.1)
    _expire(plant.factory)
    assert plant.factory.slug in factories_delete_due()
    keys_forget()
    other.wait_for_more(50)
    other.finish()
    plant.drained()
    neighbour.drained()
    assert factory_remains(plant.factory.slug) == [], "the journal's late rows bring nothing back"
    assert other.breaks == 0, "the neighbour noticed nothing"
    assert neighbour.verdict(other).clean


def _expire(factory):
    Factory.objects.filter(pk=factory.pk).update(delete_after_at=clock.now())


def test_migrating_every_schema_while_readings_come_loses_none(plant, running, live_factories):
    others = [live_factories() for _number in range(MIGRATED - 1)]
    for each in [plant.factory, *others]:
        # A step back and forward again: a real column that is made anew in each schema.
        call_command("migrate_schemas", "accounts", "0003", schema_name=each.schema_name, tenant=True, verbosity=0)
    ingest = running()
    sender = plant.sender(ingest, pause_s=0.005)
    sender.start()
    sender.wait_for_more(50)
    began = time.monotonic()
    behind = schemas_behind()
    assert {each.schema_name for each in [plant.factory, *others]} <= set(behind)
    assert [done for done in schemas_migrate(behind, jobs=2) if done.error] == []
    assert schemas_behind() == []
    print(f"{MIGRATED} schemas migrated in {time.monotonic() - began:.1f} s beside ingest")
    sender.wait_for_more(50)
    sender.finish()
    assert sender.breaks == 0, "no device was sent away"
    plant.drained()
    assert plant.verdict(sender).clean


def test_a_backup_is_restored_into_an_empty_place_and_devices_go_on(plant, running, tmp_path):
    """What came after the last archive is what a loss of the machine costs: here it is counted, not guessed."""
    ingest = running()
    sender = plant.sender(ingest)
    sender.start()
    sender.wait_for_more(200)
    sender.finish()
    plant.drained()
    call_command("backup", plant.factory.slug, to=tmp_path / "archives")
    (archive,) = (tmp_path / "archives").iterdir()
    ingest.stop()
    factory_delete(plant.factory)
    began = time.monotonic()
    call_command("restore", str(archive))
    print(f"restored in {time.monotonic() - began:.2f} s")
    restored = factory_get(plant.factory.slug)
    try:
        plant.factory = restored
        assert plant.verdict(sender).clean, "every reading of the archive is there"
        keys_forget()
        ingest.start()
        more = plant.sender(ingest, "M03")
        more.start()
        more.wait_for_more(50)
        more.finish()
        plant.drained()
        with factory_context(restored):
            assert Machine.objects.filter(key="M03").exists()
        assert plant.verdict(more).clean, "the same key goes on"
    finally:
        factory_delete(restored)
