"""The figures over the sets that are present, by the scorer's own definitions."""

import importlib.util
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.detection.predictions import Table
from benchmarks.detection.recordings import recording_files, series_id_of, table_read, truth_read
from benchmarks.detection.sets import SETS

Rows = list[dict[str, Any]]
_TEP_HARD = ("fault03", "fault09", "fault15")
_SKAB_FREE, _SKAB_FREE_FROM = "anomaly_free", 2_000


class MissingDataError(Exception):
    """The sets or the scorer are not there; the message says what to name."""


def table_make(data: Path | None, metrics: Path | None) -> Rows:
    """One row a figure: set, figure, value, bar. Raises MissingDataError."""
    if data is None or not data.is_dir():
        raise MissingDataError("Name the folder of the public sets by DETECTION_DATA or --data.")
    if metrics is None or not metrics.is_file():
        raise MissingDataError("Name the file of the scorer's definitions by DETECTION_METRICS or --metrics.")
    scorer = _scorer(metrics)
    return [
        {"set": name, "figure": figure, "value": round(value, 4), "bar": bar}
        for name, figures in _FIGURES.items()
        if (data / name).is_dir()
        for figure, value, bar in figures(data / name, scorer)
    ]


def _scorer(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("detection_metrics", path)
    if spec is None or spec.loader is None:
        raise MissingDataError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Figure = tuple[str, float, str]


def _skab(folder: Path, scorer: ModuleType) -> Iterator[Figure]:
    truth = _truth(folder)
    alarms = _alarms(SETS["skab"](folder / "inputs", None))
    points, events, delays = np.zeros(4), {"events": 0, "detected": 0, "false_episodes": 0, "normal_rows": 0}, []
    for series, (label, judged) in truth.items():
        y, alarm = label[judged], alarms[series][judged]
        points += scorer.confusion(y, alarm)
        found = scorer.event_metrics(y, alarm)
        delays += found["delays"]
        events = {name: events[name] + found[name] for name in events}
    pooled = scorer.point_metrics(points)
    yield "F1", pooled["F1"], ">= 0.85"
    yield "false-alarm rate", pooled["FAR"], "<= 0.10"
    yield f"events found of {events['events']}", events["detected"], "16 of 17"
    yield "median delay, s", float(np.median(delays)) if delays else float("nan"), "<= 45"
    yield "false episodes an hour", 3600 * events["false_episodes"] / max(events["normal_rows"], 1), "<= 3"
    for file in sorted(folder.glob(f"{_SKAB_FREE}.csv*")):
        alarm = _alarms(SETS["skab"](file, None))[_SKAB_FREE][_SKAB_FREE_FROM:]
        yield "anomaly-free run, false-alarm rate after 2,000 rows", float(alarm.mean()), "<= 0.02"


def _nab(folder: Path, scorer: ModuleType) -> Iterator[Figure]:
    windows = json.loads((folder / "windows.json").read_text(encoding="utf-8"))
    alarms = _alarms(SETS["nab"](folder / "inputs", None))
    series = [(alarms[name].astype(bool), [tuple(w) for w in windows[name]]) for name in sorted(alarms)]
    for profile in scorer.NAB_PROFILES:
        yield f"{profile} profile", scorer.nab_score(series, profile), ">= 66" if profile == "standard" else ""


def _tep(folder: Path, scorer: ModuleType) -> Iterator[Figure]:
    truth = _truth(folder)
    alarms = _alarms(SETS["tep"](folder / "inputs", folder))
    points = np.zeros(4)
    for series, (label, judged) in truth.items():
        if series not in _TEP_HARD:
            points += scorer.confusion(label[judged], alarms[series][judged])
    pooled = scorer.point_metrics(points)
    yield "detection without faults 3, 9, 15", pooled["recall"], ">= 0.97"
    yield "false-alarm rate", pooled["FAR"], "<= 0.02"


def _gearbox(folder: Path, scorer: ModuleType) -> Iterator[Figure]:
    """Each load by the recordings of the others: what was learnt must hold for a load that was never seen."""
    broken = truth_read(folder, key="series_id", label="broken_tooth")
    loads = truth_read(folder, key="series_id", label="load_pct")
    truth, told = [], []
    for load in sorted(set(loads.values())):
        with tempfile.TemporaryDirectory() as name:
            others, held_back = Path(name) / "others", Path(name) / "held_back"
            for part in (others, held_back):
                part.mkdir()
            (others / "truth.csv").write_text(_gearbox_truth(broken), encoding="utf-8")
            for file in recording_files(folder):
                part = held_back if loads[series_id_of(file)] == load else others
                (part / file.name).symlink_to(file.resolve())
            rows = SETS["gearbox"](held_back, others).rows
        truth += [int(broken[row[0]]) for row in rows]
        told += [row[1] for row in rows]
    found = scorer.point_metrics(scorer.confusion(truth, told))
    yield "loads not seen, accuracy", found["accuracy"], ">= 0.99"
    yield "loads not seen, false positives", found["FAR"], "< 0.01"


def _gearbox_truth(broken: Mapping[str, str]) -> str:
    return "series_id,broken_tooth\n" + "".join(f"{name},{label}\n" for name, label in broken.items())


def _ims_bearing(folder: Path, _scorer: ModuleType) -> Iterator[Figure]:
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    alarms = _alarms(SETS["ims_bearing"](folder / "inputs", None))
    for series, end in truth.items():
        rows = np.flatnonzero(alarms[series])
        rows = rows[rows >= end["warmup_rows"]]
        early = rows < end["warmup_rows"] + end["false_alarm_zone_rows"]
        lead = float(end["failure_row"] - rows[~early][0]) / 6.0 if (~early).any() else float("nan")
        yield f"{series}: hours from the first alarm to the failure", lead, ""
        yield f"{series}: alarms while healthy", float(early.sum()), ""


def _cwru_features(folder: Path, _scorer: ModuleType) -> Iterator[Figure]:
    """Each half of every condition's windows, by their order, by the other: neighbours never stand on both sides."""
    names, rows = table_read(folder / "train.csv.gz")
    fault, right = names.index("fault"), []
    of: dict[str, list[list[str]]] = {}
    for row in rows:
        of.setdefault(row[fault], []).append(row)
    halves = [[row for part in of.values() for row in part[: len(part) // 2]]]
    halves.append([row for part in of.values() for row in part[len(part) // 2 :]])
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / f"half{at}.csv" for at in range(2)]
        for file, half in zip(files, halves, strict=True):
            Table(tuple(names), [tuple(row) for row in half]).write(file)
        for at, half in enumerate(halves):
            told = SETS["cwru_features"](files[at], files[1 - at]).rows
            right += [label == row[fault] for (_, label), row in zip(told, half, strict=True)]
    yield f"accuracy over {len(of)} conditions, each half by the other", float(np.mean(right)), ""


_FIGURES = {
    "cwru_features": _cwru_features,
    "gearbox": _gearbox,
    "ims_bearing": _ims_bearing,
    "skab": _skab,
    "nab": _nab,
    "tep": _tep,
}


def _truth(folder: Path) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Labels, and which rows are judged, of each series."""
    names, rows = table_read(folder / "truth.csv.gz")
    series, label, judged = (names.index(name) for name in ("series_id", "label", "evaluate"))
    found: dict[str, tuple[list[int], list[bool]]] = {}
    for row in rows:
        labels, evaluated = found.setdefault(row[series], ([], []))
        labels.append(int(row[label]))
        evaluated.append(row[judged] == "1")
    return {name: (np.array(labels), np.array(evaluated)) for name, (labels, evaluated) in found.items()}


def _alarms(table: Table) -> dict[str, np.ndarray]:
    found: dict[str, list[int]] = {}
    for series, _row, alarm, _score in table.rows:
        found.setdefault(series, []).append(alarm)
    return {name: np.array(alarms) for name, alarms in found.items()}
