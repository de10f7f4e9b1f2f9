"""Recordings of known sets as a plant's historian would give them: instants, and a column a metric. No labels."""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from telemetry.readings import Float64Array, Int64Array

_TIMES = ("timestamp", "datetime", "time")
# Columns that tell the answer: never handed to a detector, whatever file they stand in.
_LABELS = frozenset({"anomaly", "changepoint", "label", "evaluate", "broken_tooth"})
_SUFFIXES = (".csv", ".csv.gz")
# Files beside the inputs that hold answers or normal data for teaching.
_NO_INPUT = ("truth", "train_normal")


class RecordingError(Exception):
    """A file can't be read as a recording; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file: t_ms of shape (n,), as it stands there; values of shape (n, metrics), NaN where a cell is empty."""

    series_id: str
    t_ms: Int64Array
    metrics: tuple[str, ...]
    values: Float64Array

    def __len__(self) -> int:
        return len(self.t_ms)


def recording_files(path: Path) -> list[Path]:
    """The recordings of a folder (or of its folder `inputs`), or the one file; in the order of their names.

    Raises RecordingError when there is none.
    """
    if path.is_file():
        return [path]
    folder = path / "inputs" if (path / "inputs").is_dir() else path
    found = [file for file in sorted(folder.glob("*")) if _is_input(file)] if folder.is_dir() else []
    if not found:
        raise RecordingError(f"There is no CSV file in {path}.")
    return found


def series_id_of(file: Path) -> str:
    """The name by which a scorer knows a file.

    >>> series_id_of(Path("inputs/valve1_0.csv.gz"))
    'valve1_0'
    """
    return file.name.removesuffix(".gz").removesuffix(".csv")


def recordings(path: Path, *, row_s: float = 1.0) -> Iterator[Recording]:
    """Every recording in `path`, one at a time; row_s: the distance of rows in files without a column of times."""
    for file in recording_files(path):
        yield recording_read(file, row_s=row_s)


def recording_read(file: Path, *, row_s: float = 1.0) -> Recording:
    """One file, gzipped or plain, separated by commas or semicolons. Raises RecordingError."""
    names, rows = table_read(file)
    times = next((name for name in names if name.lower() in _TIMES), None)
    metrics = tuple(name for name in names if name != times and name.lower() not in _LABELS)
    if not rows or not metrics:
        raise RecordingError(f"{file} holds no readings.")
    at = [names.index(name) for name in metrics]
    try:
        values = np.array([[_number(row[column]) for column in at] for row in rows])
    except (IndexError, ValueError) as error:
        raise RecordingError(f"{file}: {error}") from error
    if times is None:
        t_ms = (np.arange(len(rows)) * round(row_s * 1000)).astype(np.int64)
    else:
        column = names.index(times)
        t_ms = np.array([_instant_ms(row[column], file) for row in rows], dtype=np.int64)
    return Recording(series_id_of(file), t_ms, metrics, values)


def table_read(file: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file, gzipped or plain. Raises RecordingError."""
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8", newline="") as stream:
            first = stream.readline()
            separator = ";" if first.count(";") > first.count(",") else ","
            names = next(csv.reader([first], delimiter=separator), [])
            return names, list(csv.reader(stream, delimiter=separator))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{file} can't be read: {error}") from error


def truth_read(folder: Path, *, key: str, label: str) -> dict[str, str]:
    """The labels of a folder for teaching, by the recordings' names. Raises RecordingError."""
    found = sorted(folder.glob("truth.csv*")) if folder.is_dir() else []
    if not found:
        raise RecordingError(f"There is no truth.csv[.gz] in {folder}.")
    names, rows = table_read(found[0])
    if key not in names or label not in names:
        raise RecordingError(f"{found[0]} has no columns {key} and {label}.")
    return {row[names.index(key)]: row[names.index(label)] for row in rows}


def _is_input(file: Path) -> bool:
    return file.name.endswith(_SUFFIXES) and not file.name.startswith(_NO_INPUT)


def _number(text: str) -> float:
    return float(text) if text.strip() else float("nan")


def _instant_ms(text: str, file: Path) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise RecordingError(f"{file}: {text!r} is no time") from error
    return round((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)
