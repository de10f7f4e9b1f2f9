"""From a file of separated values to rows of one machine at one instant, read as a stream."""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from factorypulse.replay.errors import ReplayError
from factorypulse.replay.times import TimeReader, time_reader

_SAMPLES = 200
_TIMES = {"t", "ts", "time", "timestamp", "datetime", "date_time", "date", "date/time", "_time", "zeit", "zeitstempel"}
_METRICS, _VALUES = {"metric", "name", "variable", "sensor", "tag", "_field"}, {"value", "_value", "val"}
_NAME = re.compile(r"[^\w .:\-/%°]+")


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How to read what can't be guessed. Columns by name; every_s: the step of a recording without times."""

    time: str = ""
    time_format: str = ""
    every_s: float | None = None
    columns: tuple[str, ...] = ()
    machine_column: str = ""
    metric_column: str = ""
    value_column: str = ""


class Row(NamedTuple):
    """What one machine measured at one instant."""

    t_ms: int
    machine: str
    metrics: dict[str, float]


@dataclass(slots=True)
class Table:
    """One file; iterating gives its rows and counts what could not be read.

    machine: the key of all rows, or what stands before the machine column's values. Raises ReplayError.
    """

    path: Path
    machine: str
    options: TableOptions
    unreadable: int = 0
    rows: int = 0
    _header: list[str] = field(default_factory=list)
    _decimal: str = "."

    def __iter__(self) -> Iterator[Row]:
        self.rows = self.unreadable = 0
        with _opened(self.path) as stream:
            lines = self._lines(stream)
            samples = list(islice(lines, _SAMPLES))
            if not samples:
                raise ReplayError(f"{self.path} has no rows")
            clock = self._clock(samples)
            cells = self._cells(samples)
            for line in chain(samples, lines):
                row = self._row(line, clock, cells)
                if row is None:
                    self.unreadable += 1
                else:
                    self.rows += 1
                    yield row

    # --- what stands where ---

    def _lines(self, stream: io.TextIOBase) -> Iterator[list[str]]:
        first = stream.readline()
        if not first.strip():
            raise ReplayError(f"{self.path} is empty")
        delimiter = max(";\t|,", key=lambda mark: (first.count(mark), mark == ","))
        self._decimal = "," if delimiter == ";" else "."
        self._header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            yield from (line for line in reader if line)
        except (csv.Error, UnicodeDecodeError, OSError, EOFError) as error:
            raise ReplayError(f"{self.path} can't be read beyond line {reader.line_num + 1}: {error}") from error

    def _clock(self, samples: list[list[str]]) -> tuple[int, TimeReader] | None:
        """The place of the time column and how it is read; None where rows just follow each other."""
        if self.options.every_s is not None:
            return None
        at = self._place(self.options.time) if self.options.time else self._named(_TIMES)
        if at is None:
            raise ReplayError(
                f"{self.path.name}: no column is called time or the like ({', '.join(self._header[:8])}); "
                "name it with --time, or say how far the rows are apart with --every SECONDS"
            )
        texts = [line[at] for line in samples if len(line) > at and line[at].strip()]
        if not texts:
            raise ReplayError(f"{self.path.name}: the column “{self._header[at]}” is empty")
        # A damaged row among the first must not decide.
        return at, time_reader(texts[:1] + texts[-1:], form=self.options.time_format, decimal=self._decimal)

    def _cells(self, samples: list[list[str]]) -> "_Cells":
        o = self.options
        machine = self._place(o.machine_column) if o.machine_column else None
        metric = self._place(o.metric_column) if o.metric_column else self._named(_METRICS)
        value = self._place(o.value_column) if o.value_column else self._named(_VALUES)
        if metric is not None and value is not None and not o.columns:
            return _Cells(machine, metric, value, [])
        time_at = self._place(o.time) if o.time else self._named(_TIMES)
        chosen = [self._place(name) for name in o.columns] or [
            at for at in range(len(self._header)) if at not in (machine, time_at) and self._numeric(samples, at)
        ]
        if not chosen:
            raise ReplayError(f"{self.path.name}: no column has numbers ({', '.join(self._header[:8])})")
        return _Cells(machine, None, None, [(at, metric_name(self._header[at], at)) for at in chosen])

    def _place(self, name: str) -> int:
        if name not in self._header:
            raise ReplayError(f"{self.path.name} has no column “{name}”; it has {', '.join(self._header[:20])}")
        return self._header.index(name)

    def _named(self, names: set[str]) -> int | None:
        return next((at for at, name in enumerate(self._header) if name.lower() in names), None)

    def _numeric(self, samples: list[list[str]], at: int) -> bool:
        texts = [line[at] for line in samples if len(line) > at and line[at].strip()]
        return bool(texts) and sum(self._number(text) is not None for text in texts) * 2 > len(texts)

    # --- one row ---

    def _row(self, line: list[str], clock: tuple[int, TimeReader] | None, cells: "_Cells") -> Row | None:
        try:
            if clock is None:
                t_ms = round(self.rows * (self.options.every_s or 0.0) * 1000)
            else:
                t_ms = clock[1](line[clock[0]])
            machine = self.machine if cells.machine is None else self._joined(line[cells.machine])
            if cells.metric is not None and cells.value is not None:
                pairs = [(metric_name(line[cells.metric], cells.metric), line[cells.value])]
            else:
                pairs = [(name, line[at]) for at, name in cells.wide if at < len(line)]
        except (ValueError, IndexError, OverflowError):
            return None
        metrics = {name: number for name, text in pairs if (number := self._number(text)) is not None}
        return Row(t_ms, machine, metrics) if metrics else None

    def _joined(self, text: str) -> str:
        own = _NAME.sub("_", text.strip())
        return f"{self.machine}-{own}" if self.machine else own

    def _number(self, text: str) -> float | None:
        text = text.strip()
        try:
            value = float(text.replace(",", ".") if self._decimal == "," else text)
        except ValueError:
            return None
        return value if value - value == 0 else None


class _Cells(NamedTuple):
    machine: int | None
    metric: int | None
    value: int | None
    wide: list[tuple[int, str]]


def metric_name(text: str, place: int) -> str:
    """A column's title as a metric's name: what such a name may not have becomes a space.

    >>> metric_name("Wind Speed (m/s)", 2), metric_name("", 2)
    ('Wind Speed m/s', 'column 3')
    """
    name = " ".join(_NAME.sub(" ", text).split()).lstrip(" .:-/%°")[:64].rstrip()
    return name or f"column {place + 1}"


def _opened(path: Path) -> io.TextIOBase:
    try:
        # The wrapper closes it.
        raw = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
        encoding = _encoding(raw.peek(65536))
    except (OSError, EOFError) as error:
        raise ReplayError(f"{path} can't be opened: {error}") from error
    return io.TextIOWrapper(raw, encoding=encoding, newline="")


def _encoding(beginning: bytes) -> str:
    try:
        beginning.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(beginning) - 4:
            return "cp1252"
    return "utf-8-sig"
