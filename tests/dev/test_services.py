"""The embedded services: they start, keep what they are told, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from factorypulse.dev.choices import ServiceChoices
from factorypulse.dev.processes import command_line
from factorypulse.dev.services import Services


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_data_is_there_after_a_stop_and_a_start(folder: Path) -> None:
    choices = ServiceChoices.fresh()
    for turn in ("first", "second"):
        services = Services(folder, choices)
        services.start()
        try:
            with psycopg.connect(services.postgres.url) as connection:
                if turn == "first":
                    connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
                assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        finally:
            services.stop()


def test_valkey_refuses_a_caller_without_the_password() -> None:
    address = os.environ["REDIS_URL"]
    host_and_port = address.rpartition("@")[2].partition("/")[0]
    assert redis.from_url(address).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.from_url(f"redis://{host_and_port}/0").ping()


def test_a_killed_owner_leaves_no_service(folder: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from factorypulse.dev.choices import ServiceChoices\n"
        "from factorypulse.dev.services import Services\n"
        "services = Services(Path(sys.argv[1]), ServiceChoices.fresh(), durable=False); services.start()\n"
        "print(services.postgres.process.pid, services.valkey.process.pid, flush=True); time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        pids = [int(word) for word in owner.stdout.readline().split()]
    assert len(pids) == 2
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    deadline = time.monotonic() + 20
    while any(command_line(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [command_line(pid) for pid in pids] == ["", ""]
