"""Public data sets in their own shapes; DATA_SETS names the folder that has them, and without it these are skipped."""

import os
from itertools import islice
from pathlib import Path

import pytest

from factorypulse.replay.recording import rows_together, tables_of
from factorypulse.replay.tables import TableOptions

SETS = {
    "skab": {},
    "nab": {},
    "ett/ETTh1.csv.gz": {},
    "wind_scada": {},
    "steel_energy": {},
    "ims_bearing": {},
    "tep": {"every_s": 180.0},
    "gearbox": {"every_s": 0.03},
    "cmapss": {"time": "cycle", "machine_column": "unit"},
    "ai4i2020/train.csv.gz": {"every_s": 60.0},
    "hydraulic": {"every_s": 60.0},
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_without_a_row_lost(name):
    place = Path(os.environ.get("DATA_SETS", "/nonexistent")) / name
    if not place.exists():
        pytest.skip("DATA_SETS names no folder with this set")
    tables = [table for table in tables_of(place, machine="M", options=TableOptions(**SETS[name])) if _is_input(table)]
    rows = list(islice(rows_together(tables), 5_000))
    assert len(rows) > 50
    assert [row.t_ms for row in rows] == sorted(row.t_ms for row in rows)
    assert sum(table.unreadable for table in tables) == 0


def _is_input(table):
    return not table.path.name.startswith("truth")
