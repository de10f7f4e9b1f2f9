"""One file or a folder of them as one stream of rows, all beginning together."""

import heapq
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from factorypulse.replay.errors import ReplayError
from factorypulse.replay.tables import Row, Table, TableOptions

_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_MOST_FILES = 200  # each is open while it plays
_MOST_SORTED = 500_000  # rows, in memory


def tables_of(path: Path, *, machine: str, options: TableOptions) -> list[Table]:
    """The tables at a place: one file, or those of a folder, or of its folder `inputs` where it has one.

    In a folder each file is a machine of its own, named `machine-file`. Raises ReplayError.
    """
    if path.is_file():
        return [Table(path, machine if machine or options.machine_column else _stem(path), options)]
    if not path.is_dir():
        raise ReplayError(f"there is no {path}")
    folder = path / "inputs" if (path / "inputs").is_dir() else path
    files = sorted(file for file in folder.iterdir() if file.name.endswith(_ENDINGS))
    if not files:
        raise ReplayError(f"{folder} has no file that ends in {', '.join(_ENDINGS)}")
    if len(files) > _MOST_FILES:
        raise ReplayError(f"{folder} has {len(files)} tables; at most {_MOST_FILES} can be replayed at once")
    return [Table(file, f"{machine}-{_stem(file)}" if machine else _stem(file), options) for file in files]


def rows_together(tables: list[Table]) -> Iterator[Row]:
    """Rows of all tables in the order of the time since each table's own first row."""
    return heapq.merge(*map(_from_zero, tables), key=lambda row: row.t_ms)


def rows_in_order(table: Table) -> Iterator[Row]:
    """A table's rows as they stand; those of many machines by their times, for they may stand machine by machine."""
    if not table.options.machine_column:
        return iter(table)
    rows = list(islice(table, _MOST_SORTED + 1))
    if len(rows) > _MOST_SORTED:
        raise ReplayError(f"{table.path} has more than {_MOST_SORTED:,} rows of many machines; split it by machine")
    return iter(sorted(rows, key=lambda row: row.t_ms))


def _from_zero(table: Table) -> Iterator[Row]:
    first_ms = None
    for row in rows_in_order(table):
        first_ms = row.t_ms if first_ms is None else first_ms
        yield row._replace(t_ms=row.t_ms - first_ms)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0][:40]
