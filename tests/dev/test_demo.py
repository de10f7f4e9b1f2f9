"""`make demo` as its user meets it: real processes, from the first start to the last process gone."""

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.trial import READY, Trial, new_trial, running_trial

# A start takes seconds, and minutes on a machine that has much else to do.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    """One trial without simulator for all tests that leave it running."""
    with running_trial(simulator=False) as running:
        yield running


def _wait_for(condition: Callable[[], bool], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def _status(url: str, host: str) -> int:
    request = urllib.request.Request(url, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_ready_trial_says_where_it_is_and_who_may_enter(trial: Trial) -> None:
    assert f"{READY}{trial.factory_url()}\n" in trial.output
    for words in (trial.owner_email, trial.owner_password, trial.mailbox_url, f"localhost:{trial.mqtt_port}"):
        assert words in trial.output
    assert _status(f"{trial.url}/health/ready", f"localhost:{trial.port}") == 200
    assert _status(f"{trial.url}/", f"demo.localhost:{trial.port}") == 200
    assert _status(f"{trial.url}/static/css/tokens.css", f"demo.localhost:{trial.port}") == 200


def test_what_holds_a_secret_is_closed_to_others(trial: Trial) -> None:
    for name in ("environment.json", "owner.json", "plant.json", "choices.json", "logs"):
        assert (trial.state_dir / name).stat().st_mode & 0o077 == 0, name


def test_a_second_start_says_who_runs_and_what_to_do(trial: Trial, tmp_path: Path) -> None:
    second = trial.launch_another(tmp_path / "second")
    assert second.wait(20) == 1
    said = (tmp_path / "second").read_text()
    assert f"http://localhost:{trial.port}" in said
    assert f"kill {trial.process.pid}" in said  # type: ignore[union-attr]
    assert "make demo STATE_DIR=" in said
    assert "Traceback" not in said
    assert _status(f"{trial.url}/health/live", f"localhost:{trial.port}") == 200


def test_commands_beside_it_find_its_services_by_themselves(trial: Trial) -> None:
    program = "from tenants.context import factories_all; print([factory.slug for factory in factories_all()])"
    assert "['demo']" in trial.manage("shell", "-c", program)


def test_a_killed_ingest_is_back_within_seconds(trial: Trial) -> None:
    os.kill(trial.pid_of("manage.py ingest"), signal.SIGKILL)
    assert _wait_for(lambda: "*** ingest ended (signal SIGKILL)" in trial.output, within_s=5)

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", trial.mqtt_port)) == 0

    assert _wait_for(answers, within_s=15)


def test_a_killed_postgres_is_started_again(trial: Trial) -> None:
    pid = trial.pid_of("/postgres -D")
    os.kill(pid, signal.SIGKILL)
    assert _wait_for(lambda: "*** PostgreSQL ended" in trial.output, within_s=10)
    assert _wait_for(lambda: _is_ready(trial), within_s=30)
    assert trial.pid_of("/postgres -D") != pid


def test_ctrl_c_leaves_no_process_and_the_next_start_keeps_the_data() -> None:
    with running_trial(simulator=False) as trial:
        password = trial.owner_password
        names = " ".join(trial.processes().values())
        for program in ("daphne", "ingest", "drain", "worker", "beat", "postgres", "valkey-server"):
            assert program in names
        assert trial.stop() == 0
        assert trial.processes() == {}
        assert "Stopped." in trial.output
        assert not (trial.state_dir / "environment.json").exists()
        trial.output_file.unlink()
        trial.start()
        assert trial.owner_password == password
        assert password in trial.output


def test_a_killed_supervisor_leaves_no_process() -> None:
    with running_trial(simulator=True) as trial:
        assert trial.process is not None
        trial.process.kill()
        trial.process.wait()
        assert _wait_for(lambda: not trial.processes(), within_s=20), trial.processes()


@pytest.mark.parametrize("which", ["port", "mqtt-port"])
def test_a_busy_port_is_named_with_a_way_out(which: str, tmp_path: Path) -> None:
    with new_trial(simulator=False) as trial, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert trial.launch_another(tmp_path / "output", **{which: port}).wait(20) == 1
    said = (tmp_path / "output").read_text()
    assert f"Port {port}" in said
    assert "make demo PORT=" in said
    assert "Traceback" not in said


def test_a_closed_stdout_stops_nothing() -> None:
    with new_trial(simulator=False) as trial:
        reader, writer = os.pipe()
        trial.process = trial.launch_another(writer)
        os.close(writer)
        os.close(reader)
        assert _wait_for(lambda: _is_ready(trial), within_s=90)
        assert trial.stop() == 0


def _is_ready(trial: Trial) -> bool:
    try:
        return _status(f"{trial.url}/health/ready", f"localhost:{trial.port}") == 200
    except OSError:
        return False
