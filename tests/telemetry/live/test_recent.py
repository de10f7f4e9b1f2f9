"""The last seconds: enough for whoever begins to watch, never more than allowed."""

import numpy as np

from telemetry.live.recent import RecentReadings
from telemetry.readings import ReadingBatch, Series


def row(machine: str, *times: int) -> bytes:
    return ReadingBatch([Series(machine, "a", np.array(times), np.ones(len(times)))]).to_bytes()


def times(found: dict[str, ReadingBatch], machine: str) -> list[int]:
    return found[machine].t_ms.tolist() if machine in found else []


def test_arrivals_of_a_machine_are_found_in_order_and_by_factory() -> None:
    recent = RecentReadings(keep_s=5, max_bytes=1_000)
    recent.add("acme", row("M01", 1), at_s=1.0)
    recent.add("borg", row("M01", 2), at_s=1.1)
    recent.add("acme", row("M01", 3), at_s=1.2)
    found = recent.of("acme", {"M01"}, since_s=0.0)
    assert times(found, "M01") == [1, 3]
    assert recent.of("acme", {"M02"}, since_s=0.0) == {}


def test_what_is_older_than_the_window_is_forgotten() -> None:
    recent = RecentReadings(keep_s=5, max_bytes=1_000)
    recent.add("acme", row("M01", 1), at_s=1.0)
    recent.add("borg", row("M01", 2), at_s=7.0)
    assert recent.of("acme", {"M01"}, since_s=0.0) == {}


def test_a_flood_pushes_out_the_oldest_first() -> None:
    recent = RecentReadings(keep_s=5, max_bytes=200)
    recent.add("acme", row("M01", 1, 2, 3), at_s=1.0)
    recent.add("acme", row("M01", *range(4, 13)), at_s=1.1)
    assert times(recent.of("acme", {"M01"}, since_s=0.0), "M01") == list(range(4, 13))
