"""The benchmark's figures as lines on the screen; every line says what was lost."""

import math
from collections.abc import Iterable

from benchmarks.journey.trial import Outcome

HEADINGS = (
    f"{'load':<24}{'readings/s':>11}{'per CPU-s':>11}{'CPU s':>8}{'ack p50':>9}{'p99 ms':>8}"
    f"{'seen p50':>10}{'p99 ms':>8}{'newest p99':>11}{'seen %':>8}{'drain s':>8}{'alert s':>8}{'MiB':>6}  verdict"
)


def line(outcome: Outcome) -> str:
    """One load."""
    load, sent, seen = outcome.load, outcome.sent, outcome.seen
    share = 100 * seen.instants / outcome.expected_instants if outcome.expected_instants else math.nan
    name = f"{load.shape.name} x {load.machines}"
    return (
        f"{name:<24}{load.readings_per_s:>11,.0f}{outcome.readings_per_cpu_s:>11,.0f}"
        f"{outcome.cpu_s:>8.2f}{sent.ack_p50_ms:>9.2f}{sent.ack_p99_ms:>8.1f}{seen.p50_ms:>10.1f}{seen.p99_ms:>8.1f}"
        f"{seen.newest_p99_ms:>11.1f}{share:>8.1f}{outcome.drain_s:>8.2f}{outcome.alarm_s:>8.2f}{outcome.pss_mib:>6.0f}"
        f"  {verdict(outcome)}"
    )


def verdict(outcome: Outcome) -> str:
    """What is wrong, or that nothing is."""
    checked, sent, load = outcome.checked, outcome.sent, outcome.load
    found = [f"{getattr(checked, name):,} {name}" for name in ("lost", "doubled", "altered", "unlike")]
    faults = [words for words in found if not words.startswith("0 ")]
    if sent.acknowledged < load.messages:
        faults.append(f"{load.messages - sent.acknowledged:,} messages not acknowledged")
    faults += sent.errors
    if outcome.restarted:
        faults.append("a process fell and was started again")
    if sent.late_p99_ms > 20:
        faults.append(f"the sender ran {sent.late_p99_ms:.0f} ms late")
    return ", ".join(faults) or "all stored once"


def roles(outcome: Outcome) -> Iterable[str]:
    """CPU and memory of each role, and of the instruments."""
    for role, cost in sorted(outcome.cost.items(), key=lambda item: -item[1].cpu_s):
        busy = 100 * cost.cpu_s / outcome.seconds
        yield f"    {role:<12}{cost.cpu_s:>7.2f} CPU s ({busy:>4.0f} %){cost.pss_mib:>7.0f} MiB"
    yield (
        f"    (generator: sender {outcome.sent.cpu_s:.2f} CPU s, viewers {outcome.seen.cpu_s:.2f};"
        f" everything else on the machine {outcome.rest_cpu_s:.2f})"
    )
