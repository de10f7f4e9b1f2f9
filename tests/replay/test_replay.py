"""`manage.py replay` against the real doors: what is in the file is in the journal, at the times of its sending."""

import json
import threading

import pytest
from django.core.management import CommandError, call_command

from common import clock
from factorypulse.dev.plant.doors import DoorClosedError, Receipt
from factorypulse.management.commands import replay as command
from factorypulse.replay.run import replay
from factorypulse.replay.tables import Row


class Door:
    """Keeps what it takes; closed as often as told."""

    def __init__(self, *, closed=0):
        self.bodies, self._closed = [], closed

    def send(self, body):
        if self._closed:
            self._closed -= 1
            raise DoorClosedError("away", retry_after_s=0.01)
        self.bodies.append(json.loads(body)["readings"])
        return Receipt()

    def close(self):
        pass

    @property
    def times(self):
        return [reading["timestamp"] for body in self.bodies for reading in body]


def rows(count, step_ms):
    return iter([Row(n * step_ms, "M01", {"v": float(n)}) for n in range(count)])


def run(door, recorded, **options):
    options = {"speed": 1.0, "kept_times": False, "stop": threading.Event(), **options}
    return replay(recorded, lambda machine: door, **options)


def test_times_are_those_of_sending_at_the_chosen_speed():
    door, began_ms = Door(), clock.now_ms()
    done = run(door, rows(6, 60_000), speed=600.0)
    assert [t - door.times[0] for t in door.times] == [0, 100, 200, 300, 400, 500]
    assert door.times[0] >= began_ms
    assert clock.now_ms() >= door.times[-1]
    assert done.readings == 6


def test_a_closed_door_is_tried_again_and_loses_nothing():
    door = Door(closed=3)
    assert run(door, rows(50, 1), speed=0).readings == 50
    assert [reading["metrics"]["v"] for body in door.bodies for reading in body] == list(range(50))


def test_kept_times_stay_and_bodies_stay_small():
    door = Door()
    run(door, rows(10_000, 10), speed=0, kept_times=True)
    assert door.times == list(range(0, 100_000, 10))
    assert max(map(len, door.bodies)) <= 2_000


def test_ctrl_c_sends_nothing_more():
    door, stop = Door(), threading.Event()
    stop.set()
    assert run(door, rows(5, 1000), stop=stop).readings == 0
    assert door.bodies == []


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "pump.csv"
    path.write_text("timestamp,pressure,label\n2020-02-08 13:30:00,4.5,ok\n2020-02-08 13:30:01,4.6,ok\n")
    return path


def test_the_command_sends_by_the_factorys_own_door(acme, recording, monkeypatch, capsys):
    door = Door()
    monkeypatch.setattr(command, "HttpDoor", lambda config: setattr(door, "config", config) or door)
    call_command("replay", str(recording), "--factory", "acme", "--machine", "P1", "--speed", "1000")
    [first, second] = [reading for body in door.bodies for reading in body]
    assert (first["machine"], first["metrics"]) == ("P1", {"pressure": 4.5})
    assert second["timestamp"] - first["timestamp"] == 1
    assert "Done: 2 readings sent" in capsys.readouterr().out
    assert door.config.api_key.startswith("fp_acme_")


def test_without_a_speed_limit_the_recording_ends_now(acme, recording, monkeypatch):
    door, before_ms = Door(), clock.now_ms()
    monkeypatch.setattr(command, "HttpDoor", lambda config: door)
    call_command("replay", str(recording), "--factory", "acme", "--speed", "0")
    assert before_ms <= door.times[-1] <= clock.now_ms()
    assert door.times[-1] - door.times[0] == 1000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.csv", "--factory", "acme"], "there is no nowhere.csv"),
        (["{}", "--factory", "nobody"], "nobody"),
        (["{}", "--factory", "acme", "--every", "0"], "above 0"),
        (["{}", "--factory", "acme", "--time", "when"], "no column “when”"),
        (["{}", "--factory", "acme", "--keep-times", "--every", "1"], "--keep-times"),
    ],
)
def test_a_wrong_command_ends_with_a_sentence(acme, recording, arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("replay", *[argument.format(recording) for argument in arguments])
