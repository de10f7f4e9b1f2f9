"""The trial's state folder: one running trial at a time, choices that last, files that only their owner reads."""

import fcntl
import json
import os
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Any

from factorypulse.dev.choices import ServiceChoices
from factorypulse.dev.errors import TrialError
from factorypulse.dev.ports import free_port, port_is_free


class StateFolder:
    """`.factorypulse`, or what STATE_DIR names."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.logs = self.root / "logs"
        self.environment_file = self.root / "environment.json"
        self.owner_file = self.root / "owner.json"
        self.plant_file = self.root / "plant.json"
        self._choices_file = self.root / "choices.json"
        self._lock_file = self.root / "lock"
        self._lock: int | None = None

    def open(self) -> None:
        """Make the folder and take it for ourselves. Raises TrialError when a trial runs in it already."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            # As root, PostgreSQL runs as `nobody` and passes through; what is inside is closed to it.
            self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise TrialError(
                f"The state folder {self.root} can't be used: {error.strerror}.\n"
                "If it belongs to another user, give it back (`sudo chown -R $USER .`); or name another folder:\n"
                "  make demo STATE_DIR=/a/folder/of/yours"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrialError(self._somebody_is_here()) from error

    def announce(self, url: str) -> None:
        """Tell a second start who is here."""
        assert self._lock is not None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)

    def _somebody_is_here(self) -> str:
        try:
            who = json.loads(self._lock_file.read_text(encoding="utf-8"))
            pid, where = who["pid"], f"at {who['url']} (process {who['pid']})"
        except (OSError, ValueError, KeyError):
            pid, where = "PID", "here (it is just starting)"
        return (
            f"FactoryPulse already runs {where}, with its state in {self.root}.\n"
            f"Use that one; or stop it with Ctrl-C in its terminal, or `kill {pid}`; or start another beside it:\n"
            "  make demo STATE_DIR=.factorypulse-2 PORT=8010 MQTT_PORT=1884"
        )

    def service_choices(self) -> ServiceChoices:
        """Passwords of the first start; its ports too, unless something else took them since."""
        kept = self._read_choices()
        choices = {**asdict(ServiceChoices.fresh()), **kept.get("services", {})}
        for name in ("postgres_port", "valkey_port"):
            if not port_is_free(choices[name]):
                choices[name] = free_port()
        self.write_private(self._choices_file, {**kept, "services": choices})
        return ServiceChoices(**choices)

    def secret_key(self) -> str:
        """Django's secret, made at the first start: sessions outlive a restart."""
        kept = self._read_choices()
        if "secret_key" not in kept:
            kept["secret_key"] = secrets.token_urlsafe(64)
            self.write_private(self._choices_file, kept)
        return str(kept["secret_key"])

    def _read_choices(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._choices_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}

    def write_private(self, path: Path, content: Any) -> None:
        """Replace a JSON file in one step; only its owner may read it."""
        staged = path.with_suffix(".new")
        staged.unlink(missing_ok=True)
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        staged.replace(path)
