"""Back-tests and newcomers: a version over the past, two side by side, and what the night makes of it."""

from datetime import timedelta

import numpy as np
import pytest

from accounts.models import AuditEntry, Role
from anomalies import detector_replays
from anomalies.alerts.opening import DETECTOR, Finding, alert_raise
from anomalies.detection.detector import Detector, detector_fit
from anomalies.detection.registry import detectors_forget, model_save
from anomalies.detection.train import machine_learn, stands_until_compared
from anomalies.detector_challenge import challenge_begin, challenge_decide
from anomalies.detector_figures import Known, figures_of
from anomalies.detector_replays import replay_ask, replay_get, replay_make, replay_step, replay_told
from anomalies.detector_tasks import replay_advance
from anomalies.models import Alert, DetectorModel, Replay
from common import clock
from common.times import from_ms, rfc3339
from telemetry.models import Machine
from tests.anomalies.synthetic import grid_of, healthy, part_of, series_of, stored
from tests.conftest import person_make

HISTORY_S, FAULT_FROM, FAULT_TO = 7_800, 6_000, 6_600
TAUGHT_S = (3_400, 3_600)


@pytest.fixture(scope="module")
def detectors() -> list[Detector]:
    """Taught by the first hour of the same machine, once for all tests: teaching takes seconds."""
    columns = {name: values[: TAUGHT_S[1]] for name, values in healthy(HISTORY_S, seed=5).items()}
    grid, its_clock = grid_of(columns)
    return [detector_fit(part_of(grid, slice(end)), its_clock, seed=1) for end in TAUGHT_S]


@pytest.fixture
def machine(in_acme, detectors) -> Machine:
    """Taught twice by its first hour; later its vibration rose for ten minutes, and people called that true."""
    detectors_forget()
    columns = healthy(HISTORY_S, seed=5)
    columns["vibration_mm_s"][FAULT_FROM:FAULT_TO] += 3.0
    start_ms = begun()
    machine = stored(series_of(columns, machine="Hall/M1", start_ms=start_ms))
    for end_s, detector in zip(TAUGHT_S, detectors, strict=True):
        end_ms = start_ms + end_s * 1000
        model_save(machine, detector, from_ms=start_ms, to_ms=end_ms, cells=end_s, data_sha256="", seed=1)
    alert = alert_raise(
        Finding(
            machine=machine,
            cause=DETECTOR,
            severity="high",
            title="Vibration above normal",
            summary="Vibration 5 mm/s",
            since_at=from_ms(start_ms + FAULT_FROM * 1000),
        )
    )
    ended = from_ms(start_ms + FAULT_TO * 1000)
    Alert.objects.filter(pk=alert.pk).update(verdict="true", state="normal", returned_at=ended)
    return machine


@pytest.fixture
def chief(acme, client_for):
    return client_for(person_make(acme, "chief@acme.example", Role.SUPERVISOR))


def begun() -> int:
    return clock.now_ms() // 60_000 * 60_000 - HISTORY_S * 1000


def run_out(replay: Replay) -> Replay:
    for _step in range(200):
        moved = replay_step(replay.pk)
        if moved is None or not moved.under_way:
            break
    return replay_get(replay.pk)


def asked(machine: Machine, actor, *, version=1, beside=None) -> Replay:
    end_ms = clock.now_ms() // 60_000 * 60_000
    return replay_ask(machine, version=version, beside=beside, from_ms=end_ms - 70 * 60_000, to_ms=end_ms, actor=actor)


def test_a_back_test_finds_the_trouble_again_and_says_which_judge_spoke(machine, operator):
    replay = run_out(asked(machine, operator))
    assert (replay.state, replay.progress, replay.work) == (Replay.State.DONE, 1.0, {})
    told = replay_told(replay)
    (side,) = told.sides
    (episode,) = side.episodes
    assert abs(episode["since_ms"] / 1000 - (begun() / 1000 + FAULT_FROM)) < 120
    assert episode["metrics"][0]["metric"] == "vibration_mm_s"
    assert episode["judges"][0]["judge"] in {"levels", "bands"}
    assert episode["judges"][0]["peak"] > 1.0
    assert (side.figures.troubles, side.figures.found, side.figures.unconfirmed) == (1, 1, 0)
    assert 0 <= side.figures.delay_ms < 120_000
    assert 1.0 < episode["peak"] <= max(score for score in side.score if score is not None)
    assert AuditEntry.objects.filter(action="detector.back_test", actor=operator.email).count() == 1


def test_a_back_test_in_many_steps_finds_the_same_as_in_one(machine, operator, monkeypatch):
    whole = run_out(asked(machine, operator)).result
    monkeypatch.setattr(detector_replays, "_STEP_S", 1e-9)
    replay = asked(machine, operator)
    progress = []
    while (moved := replay_step(replay.pk)) is not None and moved.under_way:
        progress.append(moved.progress)
        detectors_forget()
    assert progress == sorted(progress)
    assert len(progress) >= 2
    assert replay_get(replay.pk).result == whole


def test_two_versions_are_compared_on_the_same_stretch(machine, operator):
    replay = run_out(asked(machine, operator, version=1, beside=2))
    first, second = replay_told(replay).sides
    assert (first.version.version, second.version.version) == (1, 2)
    assert first.figures.weeks == pytest.approx(second.figures.weeks, rel=0.01)
    assert first.figures.found == second.figures.found == 1


def test_what_nobody_confirmed_counts_as_false_at_most(machine):
    episodes = [{"since_ms": at, "told_ms": at + 5_000, "to_ms": at + 60_000} for at in (0, 10_000_000, 20_000_000)]
    known = [Known(1, 9_990_000, 10_060_000, "true"), Known(2, 20_000_000, None, "false")]
    found = figures_of(episodes, known, to_ms=30_000_000, scored_ms=7 * 86_400_000)
    assert (found.raised, found.found, found.unconfirmed, found.unconfirmed_per_week) == (3, 1, 2, 2.0)
    assert found.by_verdict == {"true": 1, "expected": 0, "false": 1, "unjudged": 0, "nobody": 1}
    assert found.delay_ms == 15_000


def test_only_one_back_test_of_a_machine_is_under_way_and_it_can_be_stopped(
    machine, chief, monkeypatch, django_capture_on_commit_callbacks
):
    queued: list[tuple] = []
    monkeypatch.setattr(replay_advance, "for_factory", lambda *call: queued.append(call))
    now = clock.now()
    body = {"version": 2, "from": rfc3339(now - timedelta(hours=2)), "to": rfc3339(now - timedelta(minutes=1))}
    with django_capture_on_commit_callbacks(execute=True):
        made = chief.post_json("/api/v1/detector-replaying/Hall/M1", body)
    assert made.status_code == 202, made.content
    assert queued == [("acme", made.json()["id"])]
    again = chief.post_json("/api/v1/detector-replaying/Hall/M1", body)
    assert (again.status_code, again.json()["code"]) == (409, "replay_under_way")
    path = f"/api/v1/detector-replays/{made.json()['id']}"
    replay_advance(queued[0][1], factory_slug="acme")
    assert chief.get(path).json()["progress"] > 0
    assert chief.delete(path).status_code == 204
    assert chief.get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 9}, "replay_invalid"),
        ({"beside": 2}, "replay_invalid"),
        ({"version": "x"}, "invalid_input"),
        ({"from": "2020-01-01T00:00:00Z"}, "replay_invalid"),
    ],
)
def test_a_back_test_that_means_nothing_is_refused(machine, chief, change, code):
    now = clock.now()
    body = {"version": 2, "from": rfc3339(now - timedelta(hours=2)), "to": rfc3339(now - timedelta(minutes=1))}
    answer = chief.post_json("/api/v1/detector-replaying/Hall/M1", body | change)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert Replay.objects.count() == 0


def test_the_page_shows_progress_then_the_chart_beside_what_was_raised(machine, operator, chief, monkeypatch):
    monkeypatch.setattr(detector_replays, "_STEP_S", 1e-9)
    replay = asked(machine, operator, version=1, beside=2)
    replay_step(replay.pk)
    page = chief.get(f"/detector-replays/{replay.pk}").content.decode()
    assert "<progress" in page
    assert "<progress" in chief.get("/detectors/Hall/M1").content.decode(), "after a reload, for whoever looks"
    monkeypatch.setattr(detector_replays, "_STEP_S", 60.0)
    run_out(replay)
    page = chief.get(f"/detector-replays/{replay.pk}").content.decode()
    assert "<progress" not in page
    assert page.count('<svg class="replay__plot"') == 2
    assert "Vibration above normal" in page
    assert "followed levels" in page.lower() or "fixed bands" in page.lower()


def grown(machine: Machine) -> tuple[DetectorModel, DetectorModel]:
    """The first version judges and has seen a day; the second is a newcomer."""
    first, second = DetectorModel.objects.filter(machine=machine).order_by("version")
    DetectorModel.objects.filter(pk=second.pk).update(active=False)
    DetectorModel.objects.filter(pk=first.pk).update(active=True, manifest=first.manifest | {"taught_ms": 86_400_000})
    return DetectorModel.objects.get(pk=first.pk), DetectorModel.objects.get(pk=second.pk)


def compared(machine: Machine) -> Replay:
    first, second = grown(machine)
    end_ms = clock.now_ms() // 60_000 * 60_000
    replay = replay_make(
        machine, first, second, from_ms=end_ms - 70 * 60_000, to_ms=end_ms, occasion=Replay.Occasion.CHALLENGE
    )
    return run_out(replay)


def test_a_newcomer_that_is_not_worse_takes_over_and_that_is_audited(machine):
    replay = compared(machine)
    assert challenge_decide(replay) == Replay.Outcome.PROMOTED
    assert DetectorModel.objects.get(active=True).version == 2
    entry = AuditEntry.objects.get(action="detector.promote")
    assert (entry.actor, entry.before, entry.after) == ("system", {"version": 1}, {"version": 2})


def test_a_newcomer_that_finds_less_is_left(machine):
    replay = compared(machine)
    replay.result[str(replay.second_id)]["episodes"] = []
    replay.save()
    assert challenge_decide(replay) == Replay.Outcome.WORSE
    assert DetectorModel.objects.get(active=True).version == 1
    broken = [demand["name"] for demand in replay_get(replay.pk).result["criteria"] if not demand["holds"]]
    assert broken == ["found"]


def test_a_version_somebody_went_back_to_stays_until_it_is_let_go(machine, chief):
    old, _new = DetectorModel.objects.order_by("version")
    assert chief.post(f"/api/v1/detector-versions/{old.pk}/activate").json()["pinned"] is True
    assert stands_until_compared(machine), "young, but pinned"
    replay = compared(machine)
    DetectorModel.objects.filter(pk=old.pk).update(pinned=True)
    assert challenge_decide(replay) == Replay.Outcome.PROPOSED
    assert DetectorModel.objects.get(active=True) == old
    assert "Proposed" in chief.get("/detectors/Hall/M1").content.decode()
    assert chief.delete(f"/api/v1/detector-versions/{old.pk}/pin").json()["pinned"] is False
    assert AuditEntry.objects.filter(action="detector.unpin").count() == 1


def test_a_grown_detector_is_taught_beside_the_one_that_judges(machine):
    first, second = grown(machine)
    newcomer = machine_learn(machine, newest_ms=begun() + 5_000_000)
    assert newcomer is not None
    assert not newcomer.active
    assert DetectorModel.objects.get(active=True) == first
    comparison = challenge_begin(machine, newcomer)
    assert comparison is not None
    assert (comparison.first, comparison.second) == (first, newcomer)
    assert challenge_begin(machine, second) is None, "one comparison at a time"


def test_an_operator_sees_back_tests_and_starts_none(acme, machine, operator, client_for):
    replay = asked(machine, operator)
    client = client_for(operator)
    assert client.get(f"/api/v1/detector-replays/{replay.pk}").status_code == 200
    assert client.delete(f"/api/v1/detector-replays/{replay.pk}").status_code == 403
    assert client.post("/detector-replaying/Hall/M1").status_code == 403
    assert client.get("/api/v1/detector-replays/999999").status_code == 404
    assert np.isclose(client.get(f"/api/v1/detector-replays/{replay.pk}").json()["progress"], 0.0)
