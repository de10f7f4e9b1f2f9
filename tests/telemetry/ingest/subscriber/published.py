"""What tests publish at a broker, and what of it the journal has."""

from common import clock
from telemetry.ingest.journal import READINGS, REFUSALS
from telemetry.ingest.refusals import refusals_decode
from telemetry.readings import ReadingBatch
from tests.telemetry.ingest.mosquitto import wait_until

_probes = iter(range(10**6))


def answered(broker, journal):
    """Until messages come through: a subscription can't be seen from outside."""
    number = next(_probes)
    topic = "factories/acme/devices/probe/telemetry"

    def through():
        broker.publish([(topic, f'{{"metrics": {{"probe": {number}}}}}')])
        return number in [value for *_, metric, value in readings(journal) if metric == "probe"]

    wait_until(through)


def message(number, *, factory="acme", machine="M01"):
    payload = f'{{"timestamp": {clock.now_ms() - 60_000}, "metrics": {{"n": {number}}}}}'
    return f"factories/{factory}/devices/{machine}/telemetry", payload


def readings(journal):
    return [
        (entry.factory, series.machine, series.metric, value)
        for entry in journal.read_after(0, max_bytes=10**8)
        if entry.kind == READINGS
        for series in ReadingBatch.from_bytes(entry.body)
        for value in series.values.tolist()
    ]


def numbers(journal, factory="acme"):
    return [value for slug, _, metric, value in readings(journal) if slug == factory and metric == "n"]


def refusals(journal):
    entries = [entry for entry in journal.read_after(0, max_bytes=10**8) if entry.kind == REFUSALS]
    return [(entry.factory, refusal) for entry in entries for refusal in refusals_decode(entry.body)]


def gaps(journal):
    return [(slug, refusal.detail) for slug, refusal in refusals(journal) if refusal.code == "broker_gap"]
