"""Each person reads a message in their own language and units, by the plant's clock."""

from datetime import UTC, datetime

import pytest
from django.core import mail
from django.utils import translation

from anomalies.alerts.opening import alert_return
from anomalies.alerts.sentences import detector_summary, detector_title, since_text
from anomalies.alerts.words import words_say
from anomalies.detection.explain import Carrier
from anomalies.detection.features import Aspect
from anomalies.models import Notification
from anomalies.notify.outbox import drain
from anomalies.notify.trying import person_test
from common import clock
from common.units import UnitSystem
from telemetry.history.spans import machine_zone
from telemetry.models import Machine, Metric
from telemetry.viewing.preferences import units_choose
from tests.anomalies.notify.conftest import settle, storm


@pytest.fixture
def hot(machine, raised):
    """A bearing that is too hot, raised as the detector does."""
    metric = Metric.objects.create(machine=machine, name="bearing_temperature_c", unit="°C")
    carrier = Carrier("bearing_temperature_c", 1.0, 61.8, 40.0, 44.0, Aspect.LEVEL)
    since_at, zone = clock.now(), machine_zone(machine)
    words = words_say(
        lambda: (
            detector_title([(carrier, metric)]),
            detector_summary([(carrier, metric)], since_at=since_at, zone=zone),
        )
    )
    part = {"metric": metric.name, "unit": "°C", "share": 1.0, "observed": 61.8, "expected": [40.0, 44.0]}
    return raised(
        machine,
        title=words.title,
        summary=words.summary,
        since_at=since_at,
        evidence={"metrics": [part], **words.evidence},
    )


@pytest.fixture
def german(in_acme, operator):
    operator.language = "de"
    operator.save()
    return operator


def mail_to(person):
    return next(message for message in mail.outbox if message.to == [person.email])


def test_a_mail_speaks_the_readers_language_in_the_readers_units(german, owner, hot):
    units_choose(user=owner, system=UnitSystem.US)
    assert drain() == 2
    here, there = mail_to(german), mail_to(owner)
    assert here.subject == "Hoch: Pump <7> – Lagertemperatur über normal"
    assert there.subject == "High: Pump <7> – Bearing temperature above normal"
    for body in (here.body, here.alternatives[0].content):
        for words in ("61,8 °C, normal 40,0–44,0, seit ", "Lagertemperatur"):
            assert words in body
        assert "since" not in body.lower()
    for body in (there.body, there.alternatives[0].content):
        assert "143 °F, normal 104–111, since " in body
        assert "°C" not in body
    assert "(°F)" in there.alternatives[0].content


def test_that_it_is_over_is_said_in_the_readers_language(german, hot):
    drain()
    alert_return(machine=hot.machine, cause="detector", at=clock.now())
    mail.outbox.clear()
    drain()
    assert mail_to(german).subject == "Wieder normal: Pump <7> – Lagertemperatur über normal"
    assert "everything is within" not in mail_to(german).body


def test_a_storm_is_told_in_the_readers_language(in_acme, german, owner):
    storm(Machine.objects.bulk_create(Machine(key=f"S{number}") for number in range(30)))
    settle()
    assert drain() == 2
    here, there = mail_to(german), mail_to(owner)
    assert here.subject.startswith("Hoch: 30 ")
    assert there.subject.startswith("High: 30 alerts")
    for english in ("Many alerts at once", "See all open alerts", "and 10 more", "since"):
        assert english in there.alternatives[0].content
        assert english not in here.alternatives[0].content


def test_a_test_message_is_in_the_language_of_whom_it_reaches(german):
    with translation.override("en"):
        person_test(german, "email")
    drain()
    assert Notification.objects.get().payload["reader"] == {"language": "de", "units": "stored"}
    assert "test" in mail_to(german).subject.lower()
    assert "A test from" not in mail_to(german).subject


def test_another_day_is_written_as_the_language_writes_it(machine):
    then, zone = datetime(2025, 5, 3, 12, 0, tzinfo=UTC), machine_zone(machine)
    assert since_text(then, zone) == "3 May 14:00 CEST"
    with translation.override("de"):
        assert since_text(then, zone) == "3. Mai 14:00 CEST"
