"""Seals are made by SECRET_KEY and for a schema: what is done when either becomes another one."""

import io

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from anomalies.detection.detector import Detector, detector_fit
from anomalies.detection.registry import DetectorDamagedError, detector_load, detectors_forget, model_save
from anomalies.models import DetectorModel, NotificationTarget
from anomalies.notify.sealing import SealBrokenError, seal, unseal
from anomalies.notify.targets import target_create
from telemetry.models import Machine
from tenants.archive import archive_restore, archive_write
from tenants.context import factory_context
from tenants.provisioning import factory_delete
from tests.anomalies.synthetic import grid_of, healthy

ANOTHER = "another-" + "0123456789abcdef" * 4
ADDRESS = "https://erp.example.com/hooks/s3cret"


@pytest.fixture(scope="module")
def detector() -> Detector:
    grid, its_clock = grid_of(healthy(2_400, seed=5))
    return detector_fit(grid, its_clock, seed=1)


def model_made(detector: Detector) -> None:
    machine = Machine.objects.create(key="M01")
    model_save(machine, detector, from_ms=0, to_ms=2_400_000, cells=2_400, data_sha256="", seed=1)


@pytest.fixture
def sealed(in_acme, admin, detector) -> NotificationTarget:
    """A machine with a detector, and a target with a secret."""
    model_made(detector)
    target, _secret = target_create(actor=admin, kind="webhook", name="ERP", address=ADDRESS)
    return target


def trusted() -> bool:
    """Whether the current factory's only detector may judge."""
    detectors_forget()
    try:
        detector_load(DetectorModel.objects.get().pk)
    except DetectorDamagedError:
        return False
    return True


def test_detectors_and_targets_outlive_the_secret_that_sealed_them(sealed, acme, settings):
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], ANOTHER
    assert trusted(), "good while the secret before is named"
    call_command("reseal", "acme", stdout=io.StringIO())
    settings.SECRET_KEY_FALLBACKS = []
    assert trusted()
    sealed.refresh_from_db()
    assert unseal(sealed.address_sealed) == ADDRESS
    assert unseal(sealed.secret_sealed).startswith("whsec_")
    assert sealed.previous_sealed == ""
    assert AuditEntry.objects.filter(action="secrets.reseal", actor="operator").count() == 1


def test_what_another_secret_sealed_stays_shut_and_is_named(sealed, acme, settings):
    settings.SECRET_KEY = ANOTHER
    with pytest.raises(CommandError, match=r"acme: M01 v1, ERP"):
        call_command("reseal", stdout=io.StringIO())
    assert not trusted()
    sealed.refresh_from_db()
    with pytest.raises(SealBrokenError):
        unseal(sealed.address_sealed)


def test_what_was_altered_is_not_opened():
    sealed = seal(ADDRESS)
    for at in range(0, len(sealed), 7):
        other = "A" if sealed[at] != "A" else "B"
        with pytest.raises(SealBrokenError):
            unseal(sealed[:at] + other + sealed[at + 1 :])


def test_a_factory_restored_elsewhere_brings_its_detectors_along(live_factory, detector, settings):
    archive = io.BytesIO()
    with factory_context(live_factory):
        model_made(detector)
    archive_write(live_factory, archive)
    archive.seek(0)
    settings.SECRET_KEY = ANOTHER
    restored, _refused = archive_restore(archive, slug="moved-house")
    try:
        with factory_context(restored):
            assert trusted()
    finally:
        factory_delete(restored)
