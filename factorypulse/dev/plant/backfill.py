"""History before the devices went live: a week in coarse steps, the last hours as the sensors tell it."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

from factorypulse.dev.plant import bodies
from factorypulse.dev.plant.delivery import deliver
from factorypulse.dev.plant.doors import Door
from factorypulse.dev.plant.line import PlantMachine, Recording, record
from factorypulse.dev.plant.progress import Progress

log = logging.getLogger("plant.backfill")

HOUR_MS = 3_600_000
# The product takes seven days back; an hour of grace for a backfill that has to wait.
WEEK_MS = 7 * 24 * HOUR_MS - HOUR_MS
COARSE_STEP_MS = 300_000


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """How much history, and how fast: `readings_per_s` leaves room for live readings within the factory's plan."""

    fine_ms: int = 3 * HOUR_MS
    coarse_ms: int = WEEK_MS
    block_readings: int = 2_000
    readings_per_s: float = 4_000.0


def spans(
    plan: BackfillPlan, *, start_ms: int, covered_to_ms: int | None, period_ms: int
) -> list[tuple[int, int, int]]:
    """(from_ms, to_ms, step_ms) of what is missing before `start_ms`, oldest first.

    >>> plan = BackfillPlan(fine_ms=10_000, coarse_ms=1_000_000)
    >>> spans(plan, start_ms=2_000_000, covered_to_ms=None, period_ms=1000)
    [(1000000, 1990000, 300000), (1990000, 2000000, 1000)]
    >>> spans(plan, start_ms=2_000_000, covered_to_ms=1_995_000, period_ms=1000)
    [(1995001, 2000000, 1000)]
    """
    begin = start_ms - plan.coarse_ms
    if covered_to_ms is not None:
        begin = max(begin, covered_to_ms + 1)
    fine_from = max(begin, start_ms - plan.fine_ms)
    candidates = [(begin, fine_from, COARSE_STEP_MS), (fine_from, start_ms, period_ms)]
    return [span for span in candidates if span[0] < span[1]]


def blocks(machine: PlantMachine, missing: list[tuple[int, int, int]], block_readings: int) -> Iterator[Recording]:
    """What is missing, oldest first, in recordings of at most `block_readings` readings."""
    rows = max(1, block_readings // 6)
    for from_ms, to_ms, step_ms in missing:
        for at_ms in range(from_ms, to_ms, rows * step_ms):
            recording = record(machine, from_ms=at_ms, to_ms=min(to_ms, at_ms + rows * step_ms), step_ms=step_ms)
            if len(recording.t_ms):
                yield recording


def run_backfill(
    machines: list[PlantMachine], door: Door, progress: Progress, *, plan: BackfillPlan, start_ms: int, stop: Event
) -> int:
    """Post what is missing, one machine after another; returns the number of readings posted.

    Waits where the server says so, tries again where it can't be reached, ends early when `stop` is set.
    """
    total = 0
    for machine in machines:
        missing = spans(
            plan, start_ms=start_ms, covered_to_ms=progress.covered_to(machine.key), period_ms=machine.period_ms
        )
        posted = _backfill_machine(blocks(machine, missing, plan.block_readings), door, progress, plan=plan, stop=stop)
        if stop.is_set():
            break
        progress.backfilled(machine.key, start_ms, done=True)
        log.info("backfill: %s, %s readings", machine.key, f"{posted:,}")
        total += posted
    return total


def _backfill_machine(
    recordings: Iterator[Recording], door: Door, progress: Progress, *, plan: BackfillPlan, stop: Event
) -> int:
    posted = 0
    for recording in recordings:
        began_s = time.monotonic()
        if not _post_until_taken(recording, door, stop):
            break
        readings = len(recording.t_ms) * len(recording.columns)
        posted += readings
        progress.backfilled(recording.machine, int(recording.t_ms[-1]))
        stop.wait(max(0.0, readings / plan.readings_per_s - (time.monotonic() - began_s)))
    return posted


def _post_until_taken(recording: Recording, door: Door, stop: Event) -> bool:
    body = bodies.column_block(recording.machine, recording.t_ms, recording.columns)
    receipt = deliver(body, door, stop, name=f"backfill of {recording.machine}")
    if receipt is not None and receipt.refused:
        log.warning("backfill: %s refused %s readings (%s)", recording.machine, receipt.refused, receipt.reason)
    return receipt is not None
