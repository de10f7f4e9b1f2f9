"""How far each machine's history reaches, kept in a small file, so that a second start fills only the gap."""

import json
import threading
from pathlib import Path


class Progress:
    """History is whole up to the backfill's mark until it is done, and up to the last live reading from then on."""

    def __init__(self, path: Path, *, factory: str) -> None:
        self._path, self._factory = path, factory
        self._lock = threading.Lock()
        self._covered = self._read()
        self._live: dict[str, int] = {}
        self._done: set[str] = set()

    def _read(self) -> dict[str, int]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return (
                {str(k): int(v) for k, v in kept["covered_to_ms"].items()} if kept["factory"] == self._factory else {}
            )
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            # A torn or foreign file costs a second backfill of the same values, which changes nothing.
            return {}

    def covered_to(self, machine: str) -> int | None:
        """Epoch milliseconds up to which history is whole; None for a machine never seen."""
        with self._lock:
            return self._covered.get(machine)

    def backfilled(self, machine: str, to_ms: int, *, done: bool = False) -> None:
        """The backfill has reached an instant, or its end."""
        with self._lock:
            self._covered[machine] = to_ms
            if done:
                self._done.add(machine)

    def sent(self, machine: str, to_ms: int) -> None:
        """Live readings are acknowledged up to an instant."""
        with self._lock:
            self._live[machine] = to_ms

    def save(self) -> None:
        """Replace the file at once, so that a kill leaves the old one or the new one."""
        with self._lock:
            covered = {
                machine: max(to_ms, self._live.get(machine, 0)) if machine in self._done else to_ms
                for machine, to_ms in self._covered.items()
            }
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps({"factory": self._factory, "covered_to_ms": covered}) + "\n", encoding="utf-8")
        beside.replace(self._path)
