"""The last seconds: enough for whoever begins to watch, never more than allowed."""

import numpy as np

from telemetry.live.recent import RecentReadings
from telemetry.readings import ReadingBatch, Series


def batch(machine: str, *times: int) -> ReadingBatch:
    return ReadingBatch([Series(machine, "a", np.array(times), np.ones(len(times)))])


def times(found: dict[str, list[Series]], machine: str) -> list[int]:
    return [t for part in found.get(machine, []) for t in part.t_ms.tolist()]


def test_arrivals_of_a_machine_are_found_in_order_and_by_factory() -> None:
    recent = RecentReadings(keep_s=5, max_readings=100)
    recent.add("acme", batch("M01", 1), at_s=1.0)
    recent.add("borg", batch("M01", 2), at_s=1.1)
    recent.add("acme", batch("M01", 3), at_s=1.2)
    found = recent.of("acme", {"M01"}, since_s=0.0)
    assert times(found, "M01") == [1, 3]
    assert recent.of("acme", {"M02"}, since_s=0.0) == {}


def test_what_is_older_than_the_window_is_forgotten() -> None:
    recent = RecentReadings(keep_s=5, max_readings=100)
    recent.add("acme", batch("M01", 1), at_s=1.0)
    recent.add("borg", batch("M01", 2), at_s=7.0)
    assert recent.of("acme", {"M01"}, since_s=0.0) == {}


def test_a_flood_pushes_out_the_oldest_first() -> None:
    recent = RecentReadings(keep_s=5, max_readings=10)
    recent.add("acme", batch("M01", 1, 2, 3), at_s=1.0)
    recent.add("acme", batch("M01", *range(4, 13)), at_s=1.1)
    assert times(recent.of("acme", {"M01"}, since_s=0.0), "M01") == list(range(4, 13))
