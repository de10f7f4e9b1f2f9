"""Many machines in one call: each gets exactly what it would get alone, and one machine's trouble is its own."""

import json
from dataclasses import replace

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from anomalies import detector_watch
from anomalies.detection import live
from anomalies.detection.detector import Detector, detector_fit
from anomalies.detection.detector_cache import DetectorCache
from anomalies.detection.forest import TREES, forest_fit, forest_score
from anomalies.detection.forest_table import table_of
from anomalies.detection.grid import Clock
from anomalies.detection.history import Window, grid_read, grids_read
from anomalies.detection.registry import detectors_forget, model_save
from anomalies.detection.stream import Stretch, Watched, course_begin, streams_ready
from anomalies.models import Alert, DetectorModel, HealthStatus, MachineHealth
from anomalies.watch import machines_evaluate
from common import clock
from telemetry.models import Machine
from telemetry.readings import Series
from telemetry.store import reading_store
from tests.anomalies.synthetic import grid_of, healthy, part_of, series_of, stored

HISTORY, LIVE = 3_200, 260
NOW_MS = 1_795_300_000_000
BEGUN_MS = NOW_MS - (HISTORY + LIVE) * 1000


def many_metrics(seconds: int, *, seed: int) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(seed)
    driver = noise.normal(0, 1, seconds)
    return {f"flow_{at}": 10.0 + at + driver + noise.normal(0, 0.2, seconds) for at in range(12)}


def single_metric(seconds: int, *, seed: int) -> dict[str, np.ndarray]:
    return {"value": healthy(seconds, seed=seed)["motor_current_a"]}


@pytest.fixture(scope="module")
def plant() -> list[tuple[Detector, dict[str, np.ndarray]]]:
    """Machines of each kind with what they were taught and what they then sent: well, ill, and with gaps."""
    found = []
    for make, seed in ((healthy, 3), (many_metrics, 4), (single_metric, 5), (healthy, 6)):
        columns = make(HISTORY + LIVE, seed=seed)
        grid, its_clock = grid_of({name: values[:HISTORY] for name, values in columns.items()})
        detector = detector_fit(grid, its_clock, seed=seed)
        first = next(iter(columns))
        columns[first][HISTORY + 100 : HISTORY + 160] += 6.0
        columns[first][HISTORY + 180 : HISTORY + 200] = np.nan
        found.append((detector, columns))
    return found


def same(together: Watched, alone: Watched) -> None:
    """Not nearly: to the last bit."""
    for name in ("t_ms", "score", "active", "bands_active"):
        assert np.array_equal(getattr(together, name), getattr(alone, name), equal_nan=name == "score"), name
    for name in ("score", "ratio", "matrix"):
        assert np.array_equal(getattr(together.scores, name), getattr(alone.scores, name), equal_nan=True), name
    assert together.decisions == alone.decisions
    for judge, witness in alone.witnesses.items():
        for name in ("ratio", "observed", "low", "high"):
            assert np.array_equal(getattr(together.witnesses[judge], name), getattr(witness, name), equal_nan=True)


def stretches(plant, seed: int) -> list[Stretch]:
    """Forty machines, each of one of these kinds, that stand anywhere and have any number of new cells."""
    chance, found = np.random.default_rng(seed), []
    for _machine in range(40):
        detector, columns = plant[chance.integers(len(plant))]
        grid, _ = grid_of(columns)
        back = int(detector.lookback_ms // grid.step_ms)
        new = int(chance.choice([1, 1, 2, 7, 120]))
        first = int(chance.integers(HISTORY, HISTORY + LIVE - new))
        # Some have just been switched on: there is less before than their features look back.
        begin = first - int(chance.choice([back, back, 20]))
        part = part_of(grid, slice(begin, first + new))
        raised = float(chance.choice([1.0, 1.3]))
        found.append(Stretch(detector, course_begin(detector), part, int(grid.t_ms[first]), raised))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_machines_together_are_judged_to_the_last_bit_as_each_alone(plant, seed):
    asked = stretches(plant, seed)
    cache, placed = DetectorCache(), []
    found = cache.gathered("acme", {at: (at, each.detector) for at, each in enumerate(asked)})
    for at, each in enumerate(asked):
        detector, table = found[at]
        course = course_begin(each.detector)
        placed.append(replace(each, detector=detector, course=course, table=table, owner=at))
    together = [ready.judge() for ready in streams_ready(placed)]
    for ours, each, apart in zip(placed, asked, together, strict=True):
        [alone] = streams_ready([each])
        same(apart, alone.judge())
        assert json.dumps(ours.course.to_json()) == json.dumps(each.course.to_json())


def test_a_walk_through_many_forests_equals_scikit_learn_to_1e_12():
    noise, forests, asked, theirs = np.random.default_rng(1), {}, [], []
    for owner, features in ((7, 4), (9, 11), (64, 4), (65, 1)):
        taught = np.round(noise.normal(size=(300, features)), 1)  # ties, which 64 bits would send the other way
        forests[owner], trained = forest_fit(taught, seed=owner)
        rows = np.vstack([np.round(noise.normal(size=(50 * owner, features)) * 2.0, 1), np.full((1, features), 1e300)])
        asked.append((owner, rows))
        theirs.append(-trained.score_samples(np.clip(rows, -3e38, 3e38)))
    scores = table_of(forests).score(asked)
    assert max(float(np.abs(ours - his).max()) for ours, his in zip(scores, theirs, strict=True)) <= 1e-12
    for (owner, rows), ours in zip(asked, scores, strict=True):
        assert np.array_equal(ours, forest_score(forests[owner], rows))
    assert [part.tolist() for part in table_of(forests).score([(9, asked[1][1][:0]), (7, asked[0][1][:1])])] == [
        [],
        scores[0][:1].tolist(),
    ]


def test_a_forest_in_a_table_is_kept_once_and_its_table_follows_what_is_taught_anew(plant):
    cache = DetectorCache()
    wanted = {machine: (machine, plant[machine % 4][0]) for machine in (1, 2, 70)}
    first = cache.gathered("acme", wanted)
    assert first[1][1] is first[2][1] is not first[70][1], "neighbours stand together"
    for detector, table in first.values():
        assert np.shares_memory(detector.forest.limit, table.limit)
    again = cache.gathered("acme", {machine: (machine, detector) for machine, (detector, _table) in first.items()})
    assert all(again[machine][1] is first[machine][1] for machine in wanted), "what stands is not written again"
    assert cache.get(("acme", 1)).forest is first[1][0].forest
    newer = cache.gathered("acme", {2: (200, plant[3][0])})
    table = newer[2][1]
    assert set(table.forests) == {1, 2}
    assert np.shares_memory(cache.get(("acme", 1)).forest.limit, table.limit), "the old table is let go"
    assert np.array_equal(newer[2][0].forest.limit, plant[3][0].forest.limit)
    assert cache.gathered("borg", {1: (1, plant[0][0])})[1][1].forests.keys() == {1}


def test_a_forest_of_another_number_of_trees_is_walked_alone(plant):
    detector = plant[0][0]
    fewer = replace(detector, forest=replace(detector.forest, roots=detector.forest.roots[: TREES // 2]))
    assert DetectorCache().gathered("acme", {1: (1, fewer)}) == {1: (fewer, None)}


# --- from the store to the alert ---


@pytest.fixture
def machines(in_acme, plant, monkeypatch) -> list[str]:
    """Machines in the store, taught, that have sent for a while; keys in the order of the plant."""
    monkeypatch.setattr(clock, "now_ms", lambda: NOW_MS)
    detectors_forget()
    for at, (detector, columns) in enumerate(plant):
        machine = stored(sent(columns, f"M{at}", HISTORY - 200, HISTORY))
        end_ms = BEGUN_MS + HISTORY * 1000
        model_save(machine, detector, from_ms=BEGUN_MS, to_ms=end_ms, cells=HISTORY, data_sha256="", seed=1)
    return [f"M{at}" for at in range(len(plant))]


def sent(columns, key: str, first: int, last: int) -> list[Series]:
    part = {name: values[first:last] for name, values in columns.items()}
    return series_of(part, machine=key, start_ms=BEGUN_MS + first * 1000)


def fed(plant, machines: list[str], first: int, last: int) -> list[Machine]:
    return [
        stored(sent(columns, key, HISTORY + first, HISTORY + last))
        for key, (_, columns) in zip(machines, plant, strict=True)
    ]


def standings() -> dict[str, dict]:
    rows = MachineHealth.objects.order_by("machine__key").values()
    names = {machine.pk: machine.key for machine in Machine.objects.all()}
    return {names[row.pop("machine_id")]: {**row, "updated_at": None} for row in rows}


def test_windows_read_together_are_those_read_one_by_one(machines, plant):
    fed(plant, machines, 0, LIVE)
    windows = []
    for at, key in enumerate(machines):
        detector, machine = plant[at][0], Machine.objects.get(key=key)
        # Different clocks and windows: as slow as two seconds, and a while behind.
        its_clock = Clock(1000 * (1 + at % 2), dict.fromkeys(detector.metrics, 3))
        begin = NOW_MS - (70 + 50 * at) * 1000 - 137
        windows.append(Window(machine, (*detector.metrics, "unheard"), its_clock, begin, NOW_MS + 600_000))
    windows += [replace(windows[0], clock=Clock(60_000, {}), from_ms=NOW_MS - 800_000)]
    windows += [replace(windows[1], from_ms=NOW_MS - 3_000_000)]
    for window, grid in zip(windows, grids_read(windows, until_ms=NOW_MS), strict=True):
        alone = grid_read(window.machine, window.metrics, window.clock, from_ms=window.from_ms, to_ms=window.to_ms)
        assert (grid.metrics, grid.step_ms) == (alone.metrics, alone.step_ms)
        for name in ("t_ms", "level", "low", "high", "spread"):
            assert np.array_equal(getattr(grid, name), getattr(alone, name), equal_nan=name != "t_ms"), name


def test_a_run_over_all_leaves_every_machine_where_a_run_over_it_alone_does(machines, plant, monkeypatch):
    for first, last in ((0, 50), (50, 130), (130, 131), (131, LIVE)):
        machines_evaluate(fed(plant, machines, first, last))
    together, alerts = standings(), sorted(Alert.objects.values_list("machine__key", "cause", "since_at", "state"))
    assert {key for key, *_rest in alerts} == set(machines), "each was ill for a while"
    MachineHealth.objects.all().delete()
    Alert.objects.all().delete()
    monkeypatch.setattr(detector_watch, "_TOGETHER", 1)
    detectors_forget()
    # Everything is in the store by now: what the runs saw one after the other is seen at once.
    machines_evaluate(Machine.objects.all())
    apart = standings()
    for key, row in together.items():
        assert (row["scored_to_ms"], row["status"]) == (apart[key]["scored_to_ms"], apart[key]["status"])
        assert row["score"] == pytest.approx(apart[key]["score"], abs=1e-3)
    monkeypatch.setattr(detector_watch, "_TOGETHER", 200)
    # All at once; in portions, because only so many cells may be in hand; in batches, because they are far behind.
    for in_hand, new in ((400_000, 4_000), (5_000, 4_000), (400_000, 500)):
        monkeypatch.setattr(live, "_CELLS_IN_HAND", in_hand)
        monkeypatch.setattr(detector_watch, "_NEW_CELLS", new)
        MachineHealth.objects.all().delete()
        Alert.objects.all().delete()
        machines_evaluate(Machine.objects.all())
        assert standings() == apart


def poisoned_state(machine: Machine) -> None:
    row = MachineHealth.objects.get(machine=machine)
    row.state = {**row.state, "flat": {"vibration_mm_s": ["not", "a", "run", "at all"]}}
    row.save()


def poisoned_course(machine: Machine) -> None:
    """A course that reads well and can't be carried on: another number of metrics."""
    row = MachineHealth.objects.get(machine=machine)
    row.state["course"]["levels"]["center"] = [1.0, 2.0]
    row.save()


def damaged_model(machine: Machine) -> None:
    DetectorModel.objects.filter(machine=machine).update(arrays=b"PK nonsense")
    detectors_forget()


@pytest.mark.parametrize("trouble", [poisoned_state, poisoned_course, damaged_model], ids=lambda each: each.__name__)
def test_one_machines_trouble_is_told_at_it_and_stops_no_other(machines, plant, trouble):
    machines_evaluate(fed(plant, machines, 0, 50))
    trouble(Machine.objects.get(key="M0"))
    before = standings()["M0"]
    machines_evaluate(fed(plant, machines, 50, 140))
    after = standings()
    assert after["M0"]["status"] in {HealthStatus.NO_DATA, HealthStatus.LEARNING}
    assert (after["M0"]["score"], after["M0"]["health_percent"]) == (None, None), "it is not called healthy"
    assert (after["M0"]["scored_to_ms"], after["M0"]["state"]) == (before["scored_to_ms"], before["state"])
    assert {after[key]["status"] for key in ("M1", "M3")} == {HealthStatus.ANOMALOUS}
    told = set(Alert.objects.filter(cause="detector").values_list("machine__key", flat=True))
    assert told == set(machines) - {"M0"}


def test_what_cannot_be_reckoned_together_is_reckoned_one_by_one(machines, plant, monkeypatch):
    def never(_self, _asked):
        raise RuntimeError("a table that does not hold")

    machines_evaluate(fed(plant, machines, 0, 50))
    monkeypatch.setattr("anomalies.detection.forest_table.ForestTable.score", never)
    machines_evaluate(fed(plant, machines, 50, 140))
    assert set(Alert.objects.values_list("machine__key", flat=True)) == set(machines)


def test_an_alert_that_cannot_be_told_is_undone_and_tried_again(machines, plant, monkeypatch):
    from anomalies import detector_telling

    tell = detector_telling.alert_raise

    def refused(finding):
        tell(finding)
        if finding.machine.key == "M1":
            raise ValueError("no words for it")

    machines_evaluate(fed(plant, machines, 0, 50))
    with monkeypatch.context() as patched:
        patched.setattr(detector_telling, "alert_raise", refused)
        machines_evaluate(fed(plant, machines, 50, 140))
    assert set(Alert.objects.values_list("machine__key", flat=True)) == {"M0", "M2", "M3"}
    assert standings()["M1"]["status"] == HealthStatus.NO_DATA
    machines_evaluate(fed(plant, machines, 140, 150))
    assert set(Alert.objects.values_list("machine__key", flat=True)) == set(machines)


def test_a_level_accepted_while_a_machine_was_judged_stands(machines, plant, monkeypatch):
    machines_evaluate(fed(plant, machines, 0, 50))
    score = detector_watch.machines_score

    def meanwhile(asked):
        outcomes = score(asked)
        MachineHealth.objects.filter(machine__key="M0").update(level_from_ms=NOW_MS - 60_000)
        return outcomes

    before = standings()
    with monkeypatch.context() as patched:
        patched.setattr(detector_watch, "machines_score", meanwhile)
        machines_evaluate(fed(plant, machines, 50, 60))
    after = standings()
    assert after["M0"]["scored_to_ms"] == before["M0"]["scored_to_ms"]
    assert after["M1"]["scored_to_ms"] > before["M1"]["scored_to_ms"]
    machines_evaluate(Machine.objects.all())
    assert standings()["M0"]["scored_to_ms"] == after["M1"]["scored_to_ms"]


def test_more_machines_are_no_more_statements(machines, plant):
    machines_evaluate(fed(plant, machines, 0, 50))
    counts = []
    for first, keys in ((50, machines[:2]), (60, machines)):
        fed(plant, machines, first, first + 10)
        asked = list(Machine.objects.select_related("line__site").filter(key__in=keys))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            machines_evaluate(asked)
        counts.append(len(queries))
    assert counts[0] == counts[1], counts


def test_readings_of_all_machines_are_one_question_to_the_store(machines, plant, monkeypatch):
    fed(plant, machines, 0, 50)
    asked = []
    kind = type(reading_store())
    together = kind.together

    def noted(self, wanted, **window):
        asked.append(len(wanted))
        return together(self, wanted, **window)

    monkeypatch.setattr(kind, "together", noted)
    monkeypatch.setattr(kind, "buckets", None)
    machines_evaluate(Machine.objects.all())
    assert asked == [len(machines)]
