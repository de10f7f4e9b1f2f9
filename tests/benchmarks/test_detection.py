"""The detection benchmark: what it reads, what it writes, what it refuses. Files are made up here."""

import csv
import gzip
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.detection.recordings import RecordingError, recording_files, recording_read
from benchmarks.detection.sets import SETS


def water_rig(path, *, rows=900, fault_from=600, seed=1, label=False, separator=","):
    """A recording of two metrics, 1 Hz, whose flow drops at `fault_from`."""
    noise = np.random.default_rng(seed)
    flow = 120.0 + noise.normal(0, 1.0, rows)
    flow[fault_from:] -= 30.0
    current = 2.0 + noise.normal(0, 0.1, rows)
    lines = [separator.join(["datetime", "Current", "Flow", *(["anomaly"] if label else [])])]
    for at in range(rows):
        stamp = f"2020-03-09 10:{at // 60:02d}:{at % 60:02d}"
        lines.append(
            separator.join(
                [stamp, f"{current[at]:.4f}", f"{flow[at]:.4f}", *(["1"] if label and at >= fault_from else [])]
            )
        )
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


def predictions(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.detection", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_gives_every_row_of_every_file_a_prediction(tmp_path):
    folder = tmp_path / "hidden" / "inputs"
    folder.mkdir(parents=True)
    water_rig(folder / "rig_7.csv.gz")
    water_rig(folder / "rig_9.csv", rows=700)
    done = run("skab", "--inputs", folder.parent, "--out", tmp_path / "out" / "skab.csv")
    assert (done.returncode, done.stderr) == (0, "")
    rows = predictions(tmp_path / "out" / "skab.csv")
    assert list(rows[0]) == ["series_id", "row", "alarm", "score"]
    assert [(r["series_id"], int(r["row"])) for r in rows] == [("rig_7", n) for n in range(900)] + [
        ("rig_9", n) for n in range(700)
    ]
    assert {r["alarm"] for r in rows} <= {"0", "1"}


def test_answers_that_stand_in_a_file_are_never_handed_to_a_detector(tmp_path):
    water_rig(tmp_path / "a.csv", label=True, separator=";", rows=500, fault_from=0)
    recording = recording_read(tmp_path / "a.csv")
    assert recording.metrics == ("Current", "Flow")
    assert recording.values.shape == (500, 2)


def test_truth_beside_the_inputs_is_no_recording(tmp_path):
    water_rig(tmp_path / "a.csv")
    (tmp_path / "truth.csv").write_text("series_id,row,label,evaluate\n")
    assert [file.name for file in recording_files(tmp_path)] == ["a.csv"]


@pytest.mark.parametrize("content", ["", "timestamp,value\n", "timestamp,value\nyesterday,1\n", "value\nwarm\n"])
def test_a_file_that_is_no_recording_is_refused_by_name(tmp_path, content):
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(RecordingError, match=r"bad\.csv"):
        recording_read(tmp_path / "bad.csv")


def test_a_drop_of_the_flow_is_an_alarm_and_what_was_before_is_not(tmp_path):
    water_rig(tmp_path / "rig.csv")
    alarms = {int(row): alarm for _series, row, alarm, _score in SETS["skab"](tmp_path, None).rows}
    assert not any(alarms[row] for row in range(600))
    assert all(alarms[row] for row in range(640, 900))


def test_a_valve_that_stands_still_is_an_alarm_as_it_is_in_the_product(tmp_path):
    noise = np.random.default_rng(2)
    for name, stuck_from in (("train_normal.csv", 500), ("plant.csv", 200)):
        values = noise.normal(50.0, 1.0, (500, 2))
        values[stuck_from:, 1] = 50.0
        (tmp_path / name).write_text("flow,valve\n" + "".join(f"{a:.4f},{b:.4f}\n" for a, b in values))
    alarms = [alarm for _series, _row, alarm, _score in SETS["tep"](tmp_path, tmp_path).rows]
    assert not any(alarms[:229])
    assert all(alarms[231:])


def test_labelled_recordings_teach_what_others_are(tmp_path):
    noise, time_s = np.random.default_rng(1), np.arange(8_192) / 8_192
    (tmp_path / "taught" / "inputs").mkdir(parents=True)
    (tmp_path / "hidden").mkdir()
    truth = ["series_id,broken_tooth,load_pct"]
    for at in range(8):
        broken, folder = at % 2, "hidden" if at >= 6 else "taught/inputs"
        signal = (1 + at) * (np.sin(2 * np.pi * 400 * time_s) + broken * np.sin(2 * np.pi * 2_900 * time_s))
        values = signal + noise.normal(0, 0.3, len(signal))
        (tmp_path / folder / f"rec{at}.csv").write_text("a1\n" + "\n".join(f"{value:.4f}" for value in values) + "\n")
        truth.append(f"rec{at},{broken},{at}")
    (tmp_path / "taught" / "truth.csv").write_text("\n".join(truth[:7]) + "\n")
    table = SETS["gearbox"](tmp_path / "hidden", tmp_path / "taught")
    assert table.columns == ("series_id", "label", "prob")
    assert [row[:2] for row in table.rows] == [("rec6", 0), ("rec7", 1)]


def test_a_wrong_path_is_told_plainly_and_leaves_no_file(tmp_path):
    done = run("nab", "--inputs", tmp_path / "nowhere", "--out", tmp_path / "out.csv")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_tep_without_a_normal_run_says_what_to_name(tmp_path):
    water_rig(tmp_path / "fault01.csv")
    with pytest.raises(RecordingError, match="--train"):
        SETS["tep"](tmp_path, None)


def test_without_the_public_sets_the_table_is_skipped_with_a_reason(monkeypatch):
    monkeypatch.delenv("DETECTION_DATA", raising=False)
    done = run()
    assert done.returncode == 0
    assert "skipped" in done.stdout
    assert "DETECTION_DATA" in done.stdout


def test_a_recording_too_short_to_teach_by_is_named(tmp_path):
    water_rig(tmp_path / "short.csv", rows=90)
    done = run("skab", "--inputs", tmp_path / "short.csv", "--out", tmp_path / "out.csv")
    assert done.returncode == 1
    assert "short has too little to teach by" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_metric_that_the_normal_run_had_may_be_missing_and_a_wholly_other_plant_is_refused(tmp_path):
    water_rig(tmp_path / "normal.csv", fault_from=900)
    water_rig(tmp_path / "fault.csv")
    lines = [line.split(",") for line in (tmp_path / "fault.csv").read_text().splitlines()]
    (tmp_path / "fault.csv").write_text("\n".join(f"{time},{flow}" for time, _, flow in lines) + "\n")
    rows = SETS["tep"](tmp_path / "fault.csv", tmp_path / "normal.csv").rows
    assert len(rows) == 900
    assert any(alarm for _, row, alarm, _ in rows if row > 650)
    (tmp_path / "fault.csv").write_text("\n".join(["time,Voltage", *(f"{t},{v}" for t, _, v in lines[1:])]) + "\n")
    with pytest.raises(RecordingError, match="None of the metrics"):
        SETS["tep"](tmp_path / "fault.csv", tmp_path / "normal.csv")


def test_windows_of_figures_are_told_apart_and_wrong_files_named(tmp_path):
    noise = np.random.default_rng(1)
    rows = [(*noise.normal(3.0 * at % 6, 0.3, 2).round(4), f"fault_{at % 2}", at) for at in range(80)]
    text = ["rms,kurtosis,fault,id", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "train.csv").write_text("\n".join(text[:41]) + "\n")
    (tmp_path / "hidden.csv").write_text("rms,kurtosis,id\n" + "\n".join(f"{a},{b},{at}" for a, b, _, at in rows[40:]))
    found = SETS["cwru_features"](tmp_path / "hidden.csv", tmp_path / "train.csv").rows
    assert found == [(str(at), fault) for _, _, fault, at in rows[40:]]
    (tmp_path / "other.csv").write_text("rms,id\n1.0,1\n")
    with pytest.raises(RecordingError, match="no column kurtosis"):
        SETS["cwru_features"](tmp_path / "other.csv", tmp_path / "train.csv")
    with pytest.raises(RecordingError, match="--train"):
        SETS["cwru_features"](tmp_path / "hidden.csv", None)
