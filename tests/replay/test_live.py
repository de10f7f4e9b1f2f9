"""A recording against a running web server: what was in the file is on disk, under the factory's own name."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from factorypulse.dev.ports import free_port
from telemetry.ingest.journal import READINGS, Journal
from telemetry.readings import ReadingBatch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(live_factory, process_environment, tmp_path):
    """The environment of a command beside a web server, whose address is in `url`."""
    port = free_port()
    environment = {**process_environment, "JOURNAL_DIR": str(tmp_path / "journal"), "STATE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "factorypulse.asgi:application"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    deadline_s = time.monotonic() + 60
    try:
        while not answers(port):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline_s, "the web server did not answer in time"
            time.sleep(0.1)
        yield environment, f"http://{live_factory.slug}.{process_environment['DOMAIN'].split(':')[0]}:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(port):
    try:
        urllib.request.urlopen(f"http://localhost:{port}/ping", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def test_a_table_is_on_disk_when_the_command_has_ended(server, live_factory, tmp_path):
    environment, url = server
    recording = tmp_path / "pump.csv"
    rows = "".join(f"2020-02-08 13:30:{n:02};{n},5;x\n" for n in range(60))
    recording.write_text("Zeit;Druck (bar);Text\n" + rows)
    words = ["replay", str(recording), "--factory", live_factory.slug, "--machine", "P1", "--http-url", url]
    run = subprocess.run(
        [sys.executable, "manage.py", *words, "--speed", "0"], cwd=ROOT, env=environment, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "Done: 60 readings sent" in run.stdout
    journal = Journal(tmp_path / "journal")
    entries = [entry for entry in journal.read_after(0, max_bytes=10**8) if entry.kind == READINGS]
    found = {entry.factory: list(ReadingBatch.from_bytes(entry.body)) for entry in entries}
    journal.close()
    [series] = found[live_factory.slug]
    assert (series.machine, series.metric) == ("P1", "Druck bar")
    assert series.values.tolist() == [n + 0.5 for n in range(60)]
    assert int(series.t_ms[-1] - series.t_ms[0]) == 59_000
