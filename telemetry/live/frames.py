"""What a browser gets of a machine: one time axis, one column a metric, null where a metric has no reading. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from telemetry.history.downsample import thinned
from telemetry.readings import Float64Array, Int64Array, ReadingBatch, Series

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Frame:
    """Readings of one machine on one time axis.

    t_ms: ascending, each once, shape (n,); columns: shape (n_metrics, n), NaN marks a gap.
    """

    machine: str
    t_ms: Int64Array
    metrics: Sequence[str]
    columns: Float64Array


def frame_of(machine: str, batches: Sequence[ReadingBatch], *, metrics: Collection[str] | None = None) -> Frame:
    """The machine's readings of all batches on one axis; of equal times the last arrival stands.

    metrics: which of them, in the order they arrive; None is all.

    >>> a = Series("M01", "a", np.array([1, 2]), np.array([1.0, 2.0]))
    >>> b = Series("M01", "b", np.array([2]), np.array([9.0]))
    >>> frame_encode("readings", frame_of("M01", [ReadingBatch([a, b])]))
    b'{"type":"readings","machine":"M01","t":[1,2],"metrics":{"a":[1.0,2.0],"b":[null,9.0]}}'
    """
    wanted = [ReadingBatch([part for part in batch if _is_wanted(part, machine, metrics)]) for batch in batches]
    return _aligned(machine, [part for part in ReadingBatch.merged(wanted) if len(part)])


def frame_of_tick(machine: str, tick: ReadingBatch, *, metrics: Collection[str] | None = None) -> Frame:
    """One tick of the machine, as `frame_of` would make it."""
    if metrics is not None:
        tick = tick.only(np.array([metric in metrics for _, metric in tick.keys], np.bool_)[tick.codes])
    merged = ReadingBatch.merged([tick])
    rows, left = divmod(len(merged), max(1, len(merged.keys)))
    # Devices mostly send all metrics of an instant together.
    if rows and not left and (np.bincount(merged.codes, minlength=len(merged.keys)) == rows).all():
        times = merged.t_ms.reshape(-1, rows)
        if (times == times[0]).all():
            names = [metric for _, metric in merged.keys]
            return Frame(machine, times[0], names, merged.values.reshape(-1, rows))
    return _aligned(machine, merged.series)


def frame_batch(frame: Frame) -> ReadingBatch:
    """The frame's readings as series again, without its gaps."""
    present = ~np.isnan(frame.columns)
    return ReadingBatch(
        [
            Series(frame.machine, metric, frame.t_ms[present[row]], frame.columns[row, present[row]])
            for row, metric in enumerate(frame.metrics)
        ]
    )


def _is_wanted(part: Series, machine: str, metrics: Collection[str] | None) -> bool:
    return part.machine == machine and (metrics is None or part.metric in metrics)


def _aligned(machine: str, parts: Sequence[Series]) -> Frame:
    if not parts:
        return Frame(machine, np.empty(0, np.int64), (), np.empty((0, 0)))
    names = [part.metric for part in parts]
    first = parts[0].t_ms
    # Devices mostly send all metrics of an instant together.
    if all(len(part) == len(first) and np.array_equal(part.t_ms, first) for part in parts[1:]):
        return Frame(machine, first, names, np.stack([part.values for part in parts]))
    t_ms = np.unique(np.concatenate([part.t_ms for part in parts]))
    columns = np.full((len(parts), len(t_ms)), np.nan)
    for row, part in enumerate(parts):
        columns[row, np.searchsorted(t_ms, part.t_ms)] = part.values
    return Frame(machine, t_ms, names, columns)


def frame_without(frame: Frame, shown: Mapping[str, Int64Array]) -> Frame:
    """The frame less the readings a browser has already, by metric and time."""
    columns = frame.columns.copy()
    for row, metric in enumerate(frame.metrics):
        if metric in shown:
            columns[row, np.isin(frame.t_ms, shown[metric])] = np.nan
    keep = ~np.isnan(columns).all(axis=0) if len(columns) else np.zeros(0, np.bool_)
    return Frame(frame.machine, frame.t_ms[keep], frame.metrics, columns[:, keep])


def frame_thinned(frame: Frame, *, rows: int) -> Frame:
    """At most about `rows` instants, chosen so that every metric's peaks still show."""
    if len(frame.t_ms) <= rows:
        return frame
    keep = thinned(frame.t_ms, frame.columns.T, rows=rows)
    return Frame(frame.machine, frame.t_ms[keep], frame.metrics, frame.columns[:, keep])


def frame_encode(kind: Literal["snapshot", "readings"], frame: Frame, *, thinned: bool = False) -> bytes:
    """The frame as the JSON text of a message, UTF-8; msgspec writes NaN, which marks gaps, as null.

    thinned: say that readings are left out, so that a browser asks history for what it counts or averages.
    """
    columns = frame.columns.tolist()
    message: dict[str, Any] = {
        "type": kind,
        "machine": frame.machine,
        "t": frame.t_ms.tolist(),
        "metrics": dict(zip(frame.metrics, columns, strict=True)),
        **({"thinned": True} if thinned else {}),
    }
    return _encoder.encode(message)


def shown_of(frame: Frame, *, newest: int) -> dict[str, Int64Array]:
    """Times of each metric's newest readings in the frame: what `frame_without` later takes out."""
    present = ~np.isnan(frame.columns)
    return {metric: frame.t_ms[present[row]][-newest:] for row, metric in enumerate(frame.metrics)}
