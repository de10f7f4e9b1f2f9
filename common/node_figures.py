"""What the processes of a node count, gathered for Prometheus: the one module that knows its client library.

Each process counts in its own memory. Those that `figures_publish` also write their figures to a file every few
seconds, and whichever process is asked reads the files of all. A process holds a lock on its file for as long as it
lives, so that figures of the dead are told no more; every sample names its process.
"""

import contextlib
import fcntl
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Metric, disable_created_metrics, generate_latest
from prometheus_client.parser import text_string_to_metric_families

_log = structlog.get_logger(__name__)
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WRITE_EVERY_S = 5.0
_ODD = re.compile(r"[^A-Za-z0-9.]+")


def figures_publish(directory: Path, role: str) -> None:
    """Let other processes of the node tell this one's figures, until it ends. role: such as web or ingest."""
    name = _process_name(role)
    threading.Thread(target=_write_forever, args=(directory, name), name="figures", daemon=True).start()


def figures_text(directory: Path, role: str) -> str:
    """The figures of every living process of the node, this one's as they are now."""
    families: dict[str, Metric] = {}
    own = _process_name(role)
    _add(families, generate_latest(REGISTRY).decode(), own)
    for file in sorted(directory.glob("*.prom")):
        if file.stem == own:
            continue
        if not _lives(file.with_suffix(".lock")):
            file.unlink(missing_ok=True)
            file.with_suffix(".lock").unlink(missing_ok=True)
            continue
        with contextlib.suppress(OSError):  # it has ended since
            _add(families, file.read_text(encoding="utf-8"), file.stem)
    together = CollectorRegistry(auto_describe=False)
    together.register(_Families(families))
    return generate_latest(together).decode()


class _Families:
    """What a registry asks for its figures."""

    def __init__(self, families: dict[str, Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()


def _add(families: dict[str, Metric], text: str, process: str) -> None:
    for family in text_string_to_metric_families(text):
        whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        for sample in family.samples:
            whole.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)


def _process_name(role: str) -> str:
    # Containers that share the state's volume count their processes from 1, each.
    return f"{role}-{_ODD.sub('', socket.gethostname())[:40]}-{os.getpid()}"


def _lives(lock_file: Path) -> bool:
    """Whether the process that made this lock still holds it."""
    try:
        with lock_file.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _write_forever(directory: Path, name: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        while True:
            try:
                _write(directory / f"{name}.prom")
            except OSError as error:
                _log.warning("figures_not_written", error=str(error))
            time.sleep(WRITE_EVERY_S)


def _write(file: Path) -> None:
    beside = file.with_suffix(".new")
    beside.write_bytes(generate_latest(REGISTRY))
    beside.replace(file)
