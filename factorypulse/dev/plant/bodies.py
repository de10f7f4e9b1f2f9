"""Readings as devices write them: one of the product's ingest shapes for each kind of device."""

import json
from typing import Any

from factorypulse.dev.plant.noise import Int64s
from factorypulse.dev.plant.process import Columns


def column_block(machine: str, t_ms: Int64s, columns: Columns) -> bytes:
    """One machine, many instants: a column for each metric."""
    metrics = {name: values.tolist() for name, values in columns.items()}
    return _encoded({"machine": machine, "timestamps": t_ms.tolist(), "metrics": metrics})


def single(machine: str, t_ms: Int64s, columns: Columns) -> bytes:
    """One machine at one instant, its metrics in an object. Raises ValueError for more instants."""
    return _encoded(_rows(machine, t_ms, columns, only_one=True)[0])


def flat(machine: str, t_ms: Int64s, columns: Columns) -> bytes:
    """One machine at one instant, as gateways of older make send it. Raises ValueError for more instants."""
    row = _rows(machine, t_ms, columns, only_one=True)[0]
    return _encoded({"equipment_id": row["machine"], "timestamp": row["timestamp"], **row["metrics"]})


def listed(machine: str, t_ms: Int64s, columns: Columns) -> bytes:
    """A list of such objects, one for each instant."""
    return _encoded({"readings": _rows(machine, t_ms, columns)})


def _rows(machine: str, t_ms: Int64s, columns: Columns, *, only_one: bool = False) -> list[dict[str, Any]]:
    if only_one and len(t_ms) != 1:
        raise ValueError(f"{len(t_ms)} instants don't fit a body of one")
    names = list(columns)
    rows = zip(*(columns[name].tolist() for name in names), strict=True)
    return [
        {"machine": machine, "timestamp": at, "metrics": dict(zip(names, row, strict=True))}
        for at, row in zip(t_ms.tolist(), rows, strict=True)
    ]


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
