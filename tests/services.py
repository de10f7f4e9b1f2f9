"""Real PostgreSQL and Valkey for every pytest run: started before Django reads its settings, stopped at the end.

With pytest-xdist the controller starts them and the workers inherit their addresses; each worker has its own
database (pytest-django's suffix), Valkey database number and state folder.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from factorypulse.dev.choices import ServiceChoices
from factorypulse.dev.services import Services

_STARTED = "FACTORYPULSE_TEST_SERVICES"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """A wrapper, because pytest-django loads the settings in the same hook and comes first otherwise."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        _share(worker)
    else:
        _start(early_config)
    return (yield)


def _start(config: pytest.Config) -> None:
    root = Path(tempfile.mkdtemp(prefix="factorypulse-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(root, ignore_errors=True))
    root.chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get in
    services = Services(root, ServiceChoices.fresh(), durable=False)
    services.start()
    config.add_cleanup(services.stop)
    os.environ[_STARTED] = str(root)
    os.environ["DATABASE_URL"] = services.postgres.url
    os.environ["REDIS_URL"] = services.valkey.url(0)
    _state_folder(root / "main")


def _share(worker: str) -> None:
    number = int(worker.removeprefix("gw")) + 1
    address, _, _ = os.environ["REDIS_URL"].rpartition("/")
    os.environ["REDIS_URL"] = f"{address}/{number}"
    _state_folder(Path(os.environ[_STARTED]) / worker)


def _state_folder(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    os.environ["STATE_DIR"] = str(folder)
    # What the shell of the person who runs the tests has set must not reach them.
    for name in ("DOMAIN", "SECRET_KEY", "EMAIL_URL", "READING_STORE", "JOURNAL_DIR", "MQTT_URL", "MQTT_PUBLIC_PORT"):
        os.environ.pop(name, None)
    for name in [name for name in os.environ if name.startswith("INFLUXDB_")]:
        del os.environ[name]
