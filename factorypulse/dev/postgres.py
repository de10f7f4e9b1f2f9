"""The embedded PostgreSQL: our own cluster on loopback, in the foreground, stopped with us."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from factorypulse.dev.errors import TrialError
from factorypulse.dev.ports import LOOPBACK
from factorypulse.dev.postgres_home import binaries_find, folder_make, home_find
from factorypulse.dev.processes import Account, command_line, run_quietly, spawn, stop, unprivileged_account

NAME = "factorypulse"
_START_DEADLINE_S = 30
_LEFTOVER_DEADLINE_S = 15
# Small enough for a laptop beside everything else; locks for a template replay of a whole schema in one transaction.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "max_locks_per_transaction": "256",
    "shared_buffers": "32MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "512MB",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_max_workers": "2",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
_CARELESS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class EmbeddedPostgres:
    """One cluster below a state folder. `prepare`, `launch`, `wait_ready`, `stop`, in that order."""

    def __init__(self, state_dir: Path, *, port: int, password: str, log: Path, durable: bool = True) -> None:
        """durable: False trades crash safety for speed (tests)."""
        self.state_dir = state_dir
        self.port = port
        self.password = password
        self.log = log
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None
        self._account: Account | None = unprivileged_account()
        self._home = home_find(state_dir, account=self._account)
        self._data = self._home / "data"
        self._bin = Path()
        self._major = 0

    @property
    def url(self) -> str:
        """What the product takes as DATABASE_URL."""
        return f"postgresql://{NAME}:{self.password}@{LOOPBACK}:{self.port}/{NAME}"

    def prepare(self) -> None:
        """Find the binaries and make the cluster, unless it is there. Raises TrialError."""
        folder_make(self._home)
        self._bin = binaries_find(self._home, account=self._account)
        self._major = self._version()
        if (self._data / "PG_VERSION").exists():
            self._check_version()
        else:
            self._initialise()

    def launch(self) -> None:
        """Start the server; it may not answer yet."""
        self._wait_for_leftover()
        settings = {**_SETTINGS, "port": str(self.port), **({} if self.durable else _CARELESS)}
        if self._major >= 18:
            settings["io_method"] = "sync"  # the default keeps three more processes for disks we don't have
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.process = spawn(
                [self._bin / "postgres", "-D", self._data, *options],
                log=log,
                death_signal=signal.SIGINT,
                account=self._account,
                env={**os.environ, "LC_ALL": "C", "LANG": "C"},
                cwd=Path("/"),
            )

    def wait_ready(self) -> None:
        """Wait until it answers, and make the product's role and database. Raises TrialError."""
        deadline = time.monotonic() + _START_DEADLINE_S
        while True:
            try:
                with self._connect("postgres") as connection:
                    self._ensure_database(connection)
                return
            except psycopg.OperationalError as error:
                if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                    raise self._failure("did not start") from error
                time.sleep(0.02)

    def stop(self) -> None:
        """Disconnect everyone and shut down cleanly; harder when it does not obey."""
        if self.process is not None:
            stop(self.process, signals=[(signal.SIGINT, 10), (signal.SIGQUIT, 5)])

    def _version(self) -> int:
        words = run_quietly([self._bin / "postgres", "--version"], account=self._account).stdout
        found = re.search(r"(\d+)", words)
        return int(found[1]) if found else 0

    def _check_version(self) -> None:
        made_by = int(float((self._data / "PG_VERSION").read_text(encoding="utf-8")))
        if made_by != self._major:
            raise TrialError(
                f"The trial's data was made by PostgreSQL {made_by}, and this is {self._major}.\n"
                "`make clean` removes the data; the next start makes new."
            )

    def _initialise(self) -> None:
        # An initdb that was interrupted leaves a folder that neither starts nor initialises again.
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        password_file = self._home / "password"
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self.password, encoding="utf-8")
        if self._account:
            for path in (self._data, password_file):
                os.chown(path, self._account.uid, self._account.gid)
        try:
            self._initdb(password_file)
        finally:
            password_file.unlink()

    def _initdb(self, password_file: Path) -> None:
        locale = (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            if self._major >= 17
            else ["--no-locale"]
        )
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--no-instructions", *locale]
        result = run_quietly(
            [self._bin / "initdb", "-D", self._data, "-U", "postgres", f"--pwfile={password_file}", *options],
            account=self._account,
        )
        with self.log.open("a", encoding="utf-8") as log:
            log.write(result.stdout)
        if result.returncode:
            raise self._failure("could not make its data folder")

    def _wait_for_leftover(self) -> None:
        """A server of a supervisor that was killed a moment ago may still be shutting down: let it finish."""
        deadline = time.monotonic() + _LEFTOVER_DEADLINE_S
        while (pid := self._leftover()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if pid:
            os.kill(pid, signal.SIGQUIT)

    def _leftover(self) -> int | None:
        try:
            pid = int((self._data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if str(self._data) in command_line(pid) else None

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user="postgres",
            password=self.password,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def _ensure_database(self, connection: psycopg.Connection) -> None:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
            # A trial from before factories had roles of their own.
            connection.execute(sql.SQL("ALTER ROLE {} CREATEROLE").format(sql.Identifier(NAME)))
            return
        # No superuser, so that the trial and the tests notice a privilege that production would not have.
        role = sql.Identifier(NAME)
        words = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}")
        create = words.format(role, sql.Literal(self.password))
        with contextlib.suppress(psycopg.errors.DuplicateObject):
            connection.execute(create)
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))

    def _failure(self, what: str) -> TrialError:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return TrialError(f"PostgreSQL {what}; {self.log} says why: {lines[-1] if lines else '(empty)'}")
