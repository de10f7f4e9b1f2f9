"""`manage.py move_readings`: copies a running factory's history from one reading store to the other."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from common import clock
from common.errors import DomainError
from common.times import from_ms as instant_of
from common.times import rfc3339, to_ms
from telemetry.ingest.timestamps import TimestampError, timestamp_ms
from telemetry.models import Machine
from telemetry.store import reading_store_named
from telemetry.store.base import StoreUnavailableError
from telemetry.store.influx_answers import ReadingsRefusedError
from telemetry.store.moving import Move, Moved
from tenants.context import factories_all, factory_context, factory_get
from tenants.models import Factory, Plan

_STORES = ("postgres", "influxdb")
_DAY_MS = 86_400_000
# Devices' clocks may be ahead by minutes; nothing is accepted from further on.
_AHEAD_MS = _DAY_MS
_TELL_EVERY_S = 5.0
_TRY_FOR_S, _FIRST_PAUSE_S, _LONGEST_PAUSE_S = 120.0, 0.5, 10.0


class Command(BaseCommand):
    """Changes nothing in the store it reads, may be killed and run again, and says what to do next."""

    help = (
        "Copies readings from one store to the other while new ones arrive. "
        "Days that are equal in both are skipped, so a run that was interrupted goes on where it stood."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("factories", nargs="*", metavar="FACTORY", help="Their short names (default: all).")
        parser.add_argument("--from", dest="source", choices=_STORES, required=True, help="The store to read.")
        parser.add_argument("--to", dest="target", choices=_STORES, required=True, help="The store to write.")
        parser.add_argument("--since", default="", help="Copy readings from this time on (RFC 3339 or epoch ms).")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["source"] == options["target"]:
            raise CommandError("--from and --to name the same store.")
        if "influxdb" in (options["source"], options["target"]) and not settings.INFLUXDB_URL:
            raise CommandError("INFLUXDB_URL is not set.")
        self._options = options
        began_ms = clock.now_ms()
        total = Moved()
        for factory in self._factories():
            total += self._factory(factory)
        self.stdout.write(f"{total.copied:,} readings copied, {total.there:,} were there already.")
        self._say_what_next(began_ms)

    def _factories(self) -> list[Factory]:
        try:
            return [factory_get(slug) for slug in self._options["factories"]] or factories_all()
        except DomainError as error:
            raise CommandError(error.detail) from error

    def _factory(self, factory: Factory) -> Moved:
        total = Moved()
        with factory_context(factory):
            move = Move(
                source=reading_store_named(self._options["source"]),
                target=reading_store_named(self._options["target"]),
                newer_stands=self._options["target"] == settings.READING_STORE,
            )
            for machine in Machine.objects.order_by("key"):
                moved = self._machine(move, machine, factory)
                self.stdout.write(
                    f"{factory.slug} {machine.key}: {moved.copied:,} copied, {moved.there:,} there already"
                )
                total += moved
        return total

    def _machine(self, move: Move, machine: Machine, factory: Factory) -> Moved:
        total, told_s = Moved(), clock.monotonic_s()
        for moved in self._patiently(move, machine, from_ms=self._since_ms(factory)):
            total += moved
            if clock.monotonic_s() - told_s > _TELL_EVERY_S:
                told_s = clock.monotonic_s()
                self.stdout.write(f"{factory.slug} {machine.key}: {total.copied:,} copied so far")
                self.stdout.flush()
        return total

    def _patiently(self, move: Move, machine: Machine, *, from_ms: int) -> Iterator[Moved]:
        """The move, day by day; while a store is away, tries again. Raises CommandError in the end."""
        deadline_s, pause_s = clock.monotonic_s() + _TRY_FOR_S, _FIRST_PAUSE_S
        while True:
            try:
                for done_ms, moved in move.machine(machine, from_ms=from_ms, to_ms=clock.now_ms() + _AHEAD_MS):
                    from_ms = done_ms
                    yield moved
                    deadline_s, pause_s = clock.monotonic_s() + _TRY_FOR_S, _FIRST_PAUSE_S
            except StoreUnavailableError as error:
                if clock.monotonic_s() > deadline_s:
                    raise CommandError(f"{error}\nRun the command again; it goes on where it stood.") from error
                self.stderr.write(f"{error}; trying again")
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            except (DomainError, ReadingsRefusedError) as error:
                raise CommandError(f"{machine.key}: {error}") from error
            else:
                return

    def _since_ms(self, factory: Factory) -> int:
        if self._options["since"]:
            return _instant_ms(self._options["since"])
        plan = factory.plan or Plan()
        # Retention removes the rest within a day.
        return to_ms(clock.now() - timedelta(days=plan.retention_days + 1))

    def _say_what_next(self, began_ms: int) -> None:
        source, target = self._options["source"], self._options["target"]
        if target == settings.READING_STORE:
            self.stdout.write(f"READING_STORE is {target} already: both stores hold this history now.")
            return
        # What arrives late counts from its own time.
        late_days = max([(factory.plan or Plan()).accepted_past_days for factory in self._factories()], default=7)
        since = rfc3339(instant_of(began_ms - late_days * _DAY_MS))
        again = " ".join(["manage.py move_readings", *self._options["factories"], f"--from {source} --to {target}"])
        self.stdout.write(
            f"Next: set READING_STORE={target} for every process and restart them all; then take over what arrived"
            f" in the meantime:\n  {again} --since {since}"
        )


def _instant_ms(text: str) -> int:
    try:
        return timestamp_ms(int(text) if text.isdecimal() else text, default_ms=0)
    except TimestampError as error:
        raise CommandError(f"--since: {error}") from error
