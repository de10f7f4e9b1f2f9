"""Markdown tables from the benchmarks' files: `python -m benchmarks.tables`, with --write into docs/performance.md.

A table stands in the document between `<!-- name -->` and `<!-- /name -->`; the others stay as they are.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.ingest import FOLDER

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
_P3_RATES = (5_000, 50_000)
_P4_RATES = (1_000, 20_000)
Figures = Mapping[str, Any]


def run(arguments: list[str]) -> int:
    """Print all tables there are figures for, or write them into the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT.name}")
    found = tables(FOLDER)
    if parser.parse_args(arguments).write:
        text = DOCUMENT.read_text(encoding="utf-8")
        for name, table in found.items():
            text = placed(text, name, table)
        DOCUMENT.write_text(text, encoding="utf-8")
    else:
        for name, table in found.items():
            print(f"## {name}\n\n{table}\n")
    return 0


def tables(folder: Path) -> dict[str, str]:
    """A table for each name of which there are figures."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        figures = json.loads(path.read_text(encoding="utf-8"))
        if path.stem == "ingest":
            found |= {name: make(figures) for name, make in _INGEST.items()}
        elif path.stem == "memory":
            found["memory"] = _memory(figures)
        elif "-" not in path.stem:
            found[path.stem] = _plain(figures)
    return found


def placed(text: str, name: str, table: str) -> str:
    """The text with a table between its marks.

    >>> placed("a\\n<!-- t -->\\nold\\n<!-- /t -->\\nb", "t", "new")
    'a\\n<!-- t -->\\nnew\\n<!-- /t -->\\nb'
    """
    marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text)


def table_of(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; numbers stand to the right.

    >>> print(table_of(["a", "b"], [["x", 1234.5]]))
    | a | b |
    |---|--:|
    | x | 1,234 |
    """
    rows = [list(row) for row in rows]
    right = [any(isinstance(row[at], int | float) for row in rows) for at in range(len(headings))]
    lines = [headings, ["--:" if is_right else "---" for is_right in right], *[[_cell(c) for c in row] for row in rows]]
    return "\n".join(
        "|" + "|".join(line) + "|" if number == 1 else "| " + " | ".join(line) + " |"
        for number, line in enumerate(lines)
    )


def _cell(value: Any) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


# --- ingest ---


def _steps(contender: Figures, shape: str = "metrics10") -> list[Figures]:
    return [load for load in contender["loads"] if load["load"]["shape"]["name"] == shape]


def _at(contender: Figures, rate: float, shape: str = "metrics10") -> Figures | None:
    """The last try of a rate."""
    tries = [load for load in _steps(contender, shape) if load["load"]["readings_per_s"] == rate]
    return tries[-1] if tries else None


def _highest(contender: Figures) -> Figures | None:
    """The highest rate that held; every one below it held too, if not at once then at a second try."""
    return next((load for load in reversed(_steps(contender)) if load["held"]), None)


def _efficiency(contender: Figures) -> float:
    """Readings per CPU-second at the best of the rates that held."""
    return max((load["readings_per_cpu_s"] for load in _steps(contender) if load["held"]), default=math.nan)


def _compared(figures: Figures) -> list[Figures]:
    """FactoryPulse on each store, and the tuning of the peer that reached furthest."""
    everyone = figures["contenders"]
    ours = [found for name, found in everyone.items() if not name.startswith("peer")]
    peers = [found for name, found in everyone.items() if name.startswith("peer")]
    return [*ours, *sorted(peers, key=_reach, reverse=True)[:1]]


def _reach(contender: Figures) -> tuple[float, float]:
    highest, efficiency = _highest(contender), _efficiency(contender)
    return (highest["load"]["readings_per_s"] if highest else 0.0), (0.0 if math.isnan(efficiency) else efficiency)


def _summary(figures: Figures) -> str:
    rows = []
    for contender in _compared(figures):
        highest = _highest(contender)
        rows.append(
            [
                contender["name"],
                _reach(contender)[0],
                _efficiency(contender),
                *[_seen(_at(contender, rate)) for rate in _P3_RATES],
                highest["pss_mib"] if highest else math.nan,
                contender["durable"],
            ]
        )
    seen = [f"publish to browser at {rate:,}/s, p50 / p99 ms (newest of a frame p99)" for rate in _P3_RATES]
    headings = ["", "highest clean rate, readings/s", "readings per CPU-second", *seen, "memory there, MiB", "durable"]
    return table_of(headings, rows)


def _bars(figures: Figures) -> str:
    """What was aimed for, and what FactoryPulse reached on each store."""
    ours = [found for name, found in figures["contenders"].items() if not name.startswith("peer")]
    rows: list[list[Any]] = []
    for words, bar, most, found in _BARS:
        values = [found(contender) for contender in ours]
        met = ["yes" if (value >= bar if most else value <= bar) else "**no**" for value in values]
        told = [word for pair in zip(values, met, strict=True) for word in pair]
        rows.append([words, f"{'>=' if most else '<='} {bar:,.0f}", *told])
    return table_of(["", "bar", *[word for one in ours for word in (one["name"], "met")]], rows)


def _figure(rate: float, shape: str, part: str, name: str) -> Callable[[Figures], float]:
    """A figure of the load at that rate; NaN where the run did not get there."""

    def found(contender: Figures) -> float:
        load = _at(contender, rate, shape)
        return float(load[part][name]) if load else math.nan

    return found


_BARS: tuple[tuple[str, float, bool, Callable[[Figures], float]], ...] = (
    ("readings stored, evaluated and shown, per CPU-second", 165_000, True, _efficiency),
    ("highest clean rate, readings/s", 100_000, True, lambda contender: _reach(contender)[0]),
    ("publish to browser at 5,000/s, p99 ms", 50, False, _figure(5_000, "metrics10", "seen", "p99_ms")),
    ("the same, newest of a frame", 50, False, _figure(5_000, "metrics10", "seen", "newest_p99_ms")),
    ("publish to browser at 50,000/s, p99 ms", 100, False, _figure(50_000, "metrics10", "seen", "p99_ms")),
    ("the same, newest of a frame", 100, False, _figure(50_000, "metrics10", "seen", "newest_p99_ms")),
    ("acknowledgement at 1,000 messages/s, p99 ms", 5, False, _figure(1_000, "single", "sent", "ack_p99_ms")),
    ("acknowledgement at 20,000 messages/s, p99 ms", 25, False, _figure(20_000, "single", "sent", "ack_p99_ms")),
)


def _seen(load: Figures | None) -> str:
    if load is None:
        return "-"
    seen = load["seen"]
    return f"{seen['p50_ms']:.0f} / {seen['p99_ms']:.0f} ({seen['newest_p99_ms']:.0f})"


def _acknowledged(figures: Figures) -> str:
    rows = []
    for contender in _compared(figures):
        for rate in _P4_RATES:
            load = _at(contender, rate, "single")
            if load:
                sent = load["sent"]
                rows.append([contender["name"], rate, sent["ack_p50_ms"], sent["ack_p99_ms"], _verdict(load)])
    return table_of(["", "messages/s", "p50 ms", "p99 ms", "verdict"], rows)


def _verdict(load: Figures) -> str:
    checked = load["checked"]
    faults = [f"{checked[name]:,} {name}" for name in ("lost", "doubled", "altered", "unlike") if checked[name]]
    missing = load["messages"] - load["sent"]["acknowledged"]
    faults += [f"{missing:,} messages not acknowledged"] if missing else []
    faults += ["a process fell and was started again"] if load["restarted"] else []
    return ", ".join(faults) or "all stored once"


def _all_steps(figures: Figures) -> str:
    rows = [
        [
            contender["name"],
            load["load"]["shape"]["name"],
            load["load"]["readings_per_s"],
            load["readings_per_cpu_s"],
            load["sent"]["ack_p99_ms"],
            load["seen"]["p50_ms"],
            load["seen"]["p99_ms"],
            load["seen"]["newest_p99_ms"],
            load["drain_s"],
            load["alarm_s"],
            load["pss_mib"],
            _verdict(load),
        ]
        for contender in figures["contenders"].values()
        for load in contender["loads"]
    ]
    seen = ["browser p50 ms", "p99 ms", "newest p99 ms"]
    headings = ["", "shape", "readings/s", "per CPU-s", "ack p99 ms", *seen, "drained s", "alert s", "MiB", "verdict"]
    return table_of(headings, rows)


def _roles(figures: Figures) -> str:
    """CPU seconds by role at the highest rate that held."""
    rows = []
    for contender in _compared(figures):
        highest = _highest(contender)
        if highest:
            rate = highest["load"]["readings_per_s"]
            for role, cost in sorted(highest["cost"].items(), key=lambda item: -float(item[1]["cpu_s"])):
                busy = 100 * cost["cpu_s"] / highest["seconds"]
                rows.append([contender["name"], rate, role, cost["cpu_s"], busy, cost["pss_mib"]])
    return table_of(["", "readings/s", "process", "CPU s", "% of a core", "MiB"], rows)


def _machine(figures: Figures) -> str:
    machine = figures["machine"]
    return f"{machine['cores']} cores of {machine['cpu']}, {machine['system']}; load generator and viewers included."


_INGEST: dict[str, Callable[[Figures], str]] = {
    "machine": _machine,
    "ingest": _summary,
    "ingest-bars": _bars,
    "ingest-acknowledged": _acknowledged,
    "ingest-roles": _roles,
    "ingest-steps": _all_steps,
}


# --- the others ---


def _memory(figures: Figures) -> str:
    states = figures["pss_mib"]
    names = list(states)
    roles = sorted({role for state in states.values() for role in state})
    rows: list[list[Any]] = [[role, *[states[name].get(role, 0.0) for name in names]] for role in roles]
    rows.append(["all", *[sum(states[name].values()) for name in names]])
    return table_of(["PSS, MiB", *names, "more than at rest"], [[*row, row[-1] - row[1]] for row in rows])


def _plain(figures: Any) -> str:
    """A list of alike rows, or names with values, some of them such lists."""
    if isinstance(figures, list):
        names = list(dict.fromkeys(name for row in figures for name in row))
        return table_of(
            [name.replace("_", " ") for name in names], [[row.get(name, "") for name in names] for row in figures]
        )
    parts = [_plain(value) for value in figures.values() if isinstance(value, list)]
    alone = {name: value for name, value in figures.items() if not isinstance(value, list | dict)}
    alone |= {
        f"{name}: {of}": v for name, value in figures.items() if isinstance(value, dict) for of, v in value.items()
    }
    if alone:
        parts.append(table_of(["", ""], [[name.replace("_", " "), value] for name, value in alone.items()]))
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
