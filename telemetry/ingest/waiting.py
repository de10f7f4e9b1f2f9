"""How much waits in the node's journal, for Prometheus; asked for only when somebody looks."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from common import clock
from telemetry.ingest.journal import Journal, JournalError, process_journal

# The factories that wait longest: labels must stay few, and these are the ones to look at.
FACTORIES_TOLD = 20


class WaitingCollector:
    """Rows, bytes and ages of what the drain has before it, and the dead letters."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures of this moment; none while the journal can't be read."""
        try:
            yield from _figures(process_journal())
        except JournalError:
            return


def waiting_told(registry: CollectorRegistry = REGISTRY) -> None:
    """From now on this process tells what waits. One of a node is enough: whoever is asked for figures."""
    if not any(isinstance(known, WaitingCollector) for known in list(registry._collector_to_names)):
        registry.register(WaitingCollector())


def _figures(journal: Journal) -> Iterator[GaugeMetricFamily]:
    rows, now_ms = journal.waiting_rows(), clock.now_ms()
    ages = {slug: (now_ms - (journal.oldest_ms(slug) or now_ms)) / 1000 for slug in rows}
    oldest = sorted(ages, key=lambda slug: -ages[slug])[:FACTORIES_TOLD]
    yield _one("journal_rows", "Rows that wait for the store.", sum(rows.values()))
    yield _one("journal_bytes", "Bytes in use in the journal's file.", journal.used_bytes())
    yield _one("journal_oldest_age_seconds", "Age of the oldest row that waits.", max(ages.values(), default=0.0))
    yield _one("journal_factories", "Factories with rows that wait.", len(rows))
    lag = GaugeMetricFamily(
        "factorypulse_drain_lag_seconds", f"Age of the oldest row, of the {FACTORIES_TOLD} oldest.", labels=["factory"]
    )
    for slug in oldest:
        lag.add_metric([slug], ages[slug])
    yield lag
    letters = journal.dead_letter_entries()
    yield _one("dead_letters", "Rows that the store refused for good.", len(letters))
    yield _one("dead_letter_readings", "Readings in them.", sum(letter.readings for letter in letters))


def _one(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"factorypulse_{name}", told, value=value)
