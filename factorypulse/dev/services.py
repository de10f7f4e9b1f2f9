"""The services the product stands on, embedded: PostgreSQL and Valkey, started together, gone with us."""

import contextlib
from pathlib import Path

from factorypulse.dev.choices import ServiceChoices
from factorypulse.dev.postgres import EmbeddedPostgres
from factorypulse.dev.valkey import EmbeddedValkey


class Services:
    """PostgreSQL and Valkey of one state folder."""

    def __init__(self, state_dir: Path, choices: ServiceChoices, *, durable: bool = True) -> None:
        """durable: False trades crash safety for speed (tests)."""
        logs = state_dir / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.postgres = EmbeddedPostgres(
            state_dir,
            port=choices.postgres_port,
            password=choices.postgres_password,
            log=logs / "postgres.log",
            durable=durable,
        )
        self.valkey = EmbeddedValkey(
            state_dir, port=choices.valkey_port, password=choices.valkey_password, log=logs / "valkey.log"
        )

    def start(self) -> None:
        """Both at once, until both answer. Raises TrialError, and then leaves nothing running."""
        try:
            self.valkey.launch()
            self.postgres.prepare()
            self.postgres.launch()
            self.valkey.wait_ready()
            self.postgres.wait_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """In the order in which nobody misses what is gone."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.postgres.stop)
            stack.callback(self.valkey.stop)
