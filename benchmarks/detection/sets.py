"""The sets the product's detectors are run over, and each one's protocol: what is history, what is judged."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from anomalies.detection.detector import ENOUGH_CELLS
from anomalies.detection.labelled import classifier_fit, classifier_probabilities
from anomalies.detection.spectra import spectral_rows
from benchmarks.detection.predictions import Table
from benchmarks.detection.recordings import (
    Recording,
    RecordingError,
    recording_read,
    recordings,
    table_read,
    truth_read,
)
from benchmarks.detection.stream import Verdicts, recording_watch
from telemetry.readings import Float64Array

_SKAB_LEARN_ROWS = 400
# Numenta's rule: 15 % of a file, at most 750 rows.
_NAB_SHARE, _NAB_MOST = 0.15, 750
_TEP_ROW_S = 180.0
_TEP_NORMAL = "train_normal"
_HALF = 0.5
# Columns of a table of windows that are no figures of it.
_WINDOW_NAMES = ("fault", "id")

Run = Callable[[Path, Path | None], Table]


def skab(inputs: Path, _train: Path | None) -> Table:
    """Water-circulation rig, 1 Hz: taught by each file's first 400 rows."""
    return _verdicts((r, recording_watch(r, learn_rows=skab_history(len(r)))) for r in recordings(inputs))


def skab_history(rows: int) -> int:
    """How many rows teach: the product's warm-up where the recording is long, the set's 400 where it is not.

    >>> skab_history(1147), skab_history(9405)
    (400, 2000)
    """
    return ENOUGH_CELLS if rows >= 3 * ENOUGH_CELLS else _SKAB_LEARN_ROWS


def nab(inputs: Path, _train: Path | None) -> Table:
    """Univariate streams: taught by each file's probation."""
    runs = ((r, recording_watch(r, learn_rows=nab_probation(len(r)))) for r in recordings(inputs))
    return _verdicts(runs, onsets=True)


def nab_probation(rows: int) -> int:
    """How many rows of a file NAB leaves unscored.

    >>> nab_probation(4032), nab_probation(18050)
    (604, 750)
    """
    return min(int(_NAB_SHARE * rows), _NAB_MOST)


def tep(inputs: Path, train: Path | None) -> Table:
    """Chemical plant, a row every 3 minutes: taught by the run without a fault."""
    normal = recording_read(_tep_normal(inputs, train), row_s=_TEP_ROW_S)
    runs = recordings(inputs, row_s=_TEP_ROW_S)
    return _verdicts((r, recording_watch(r, learn_rows=0, normal=normal)) for r in runs)


def _tep_normal(inputs: Path, train: Path | None) -> Path:
    if train is not None and train.is_file():
        return train
    for folder in (train, inputs, inputs.parent):
        found = sorted(folder.glob(f"{_TEP_NORMAL}.csv*")) if folder is not None and folder.is_dir() else []
        if found:
            return found[0]
    raise RecordingError(f"Name the normal run with --train: there is no {_TEP_NORMAL}.csv[.gz] beside {inputs}.")


def _verdicts(judged: Iterable[tuple[Recording, Verdicts]], *, onsets: bool = False) -> Table:
    """onsets: an alarm is the raising of an alert, as Numenta's scorer counts it, not the time for which it lasts."""
    table = Table(("series_id", "row", "alarm", "score"))
    for recording, verdicts in judged:
        alarms = verdicts.began if onsets else verdicts.active
        for row, (alarm, score) in enumerate(zip(alarms.tolist(), verdicts.score.tolist(), strict=True)):
            table.rows.append((recording.series_id, row, int(alarm), f"{score:.6g}"))
    return table


def gearbox(inputs: Path, train: Path | None) -> Table:
    """Raw vibration of four sensors: taught by labelled recordings, judged a recording at a time."""
    if train is None:
        raise RecordingError("Name labelled recordings with --train: a folder with truth.csv[.gz] and inputs.")
    broken = truth_read(train, key="series_id", label="broken_tooth")
    blocks = [(r.series_id, spectral_rows(r.values)) for r in recordings(train) if r.series_id in broken]
    found = {broken[name] for name, _ in blocks}
    if found != {"0", "1"}:
        raise RecordingError(f"{train} wants recordings of both labels, 0 and 1; there is {sorted(found) or 'none'}.")
    rows, labels = np.vstack([part for _, part in blocks]), [broken[name] for name, part in blocks for _ in part]
    classifier = classifier_fit(rows, labels)
    table = Table(("series_id", "label", "prob"))
    for recording in recordings(inputs):
        likely = classifier_probabilities(classifier, spectral_rows(recording.values))
        prob = float(likely[classifier.labels.index("1")])
        table.rows.append((recording.series_id, int(prob >= _HALF), f"{prob:.6f}"))
    return table


def ims_bearing(inputs: Path, _train: Path | None) -> Table:
    """Bearings run to failure, a row every ten minutes: taught by the first quarter of a test."""
    return _verdicts((r, recording_watch(r, learn_rows=len(r) // 4)) for r in recordings(inputs))


def cwru_features(inputs: Path, train: Path | None) -> Table:
    """Bearing windows in nine figures each: taught by labelled windows, judged a window at a time."""
    if train is None or not train.is_file():
        raise RecordingError("Name labelled windows with --train: a CSV file with a column fault.")
    names, taught = table_read(train)
    figures = [name for name in names if name not in _WINDOW_NAMES]
    if "fault" not in names or len({row[names.index("fault")] for row in taught}) < 2:
        raise RecordingError(f"{train} wants a column fault with at least two conditions.")
    labels = [row[names.index("fault")] for row in taught]
    classifier = classifier_fit(_figures_of(train, names, taught, figures), labels)
    names, windows = table_read(inputs)
    rows = _figures_of(inputs, names, windows, figures)
    likely = [classifier_probabilities(classifier, row[None]) for row in rows]
    ids = [row[names.index("id")] for row in windows] if "id" in names else [str(at) for at in range(len(rows))]
    told = [classifier.labels[int(np.argmax(part))] for part in likely]
    return Table(("id", "label"), list(zip(ids, told, strict=True)))


def _figures_of(file: Path, names: list[str], rows: list[list[str]], figures: list[str]) -> Float64Array:
    if missing := [name for name in figures if name not in names]:
        raise RecordingError(f"{file} has no column {', '.join(missing)}.")
    try:
        return np.array([[float(row[names.index(name)]) for name in figures] for row in rows], dtype=np.float64)
    except (IndexError, ValueError) as error:
        raise RecordingError(f"{file}: {error}") from error


SETS: Mapping[str, Run] = {
    "cwru_features": cwru_features,
    "skab": skab,
    "nab": nab,
    "tep": tep,
    "gearbox": gearbox,
    "ims_bearing": ims_bearing,
}
