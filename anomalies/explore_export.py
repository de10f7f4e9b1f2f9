"""A comparison taken along as CSV: at once where that is a moment's work, else as an errand."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.errands import ErrandKind, Made, errand_ask, errand_kinds
from accounts.jobs import Tell
from accounts.models import Errand, User
from anomalies.explore import Comparison, by_machine
from common.errors import InvalidInputError
from common.units import UnitSystem
from telemetry.history.compare_export import compare_readings
from telemetry.history.windows import Window
from telemetry.store import reading_store
from tenants.context import factory_current
from tenants.models import Factory

KIND = "readings_csv"
# More series than a chart shows, because a machine may be taken along with all it measures.
MOST_SERIES = 100
# Readings that are written within a second on one core; what is more is written by a worker.
AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Export:
    """Every reading of these series over these windows, in a unit system, by a zone's clock."""

    comparison: Comparison
    windows: list[Window]
    zone: ZoneInfo
    units: UnitSystem

    def rows(self, factory: Factory) -> Iterator[str]:
        """The file in pieces. Raises StoreUnavailableError, also midway."""
        chosen = by_machine(self.comparison.metrics)
        return compare_readings(factory, chosen, self.windows, zone=self.zone, system=self.units)

    def size(self) -> int:
        """How many readings it holds. Raises StoreUnavailableError."""
        return sum(
            int(part.count.sum())
            for window in self.windows
            for machine, metrics in by_machine(self.comparison.metrics)
            for part in reading_store().buckets(
                machine,
                metrics,
                from_ms=window.from_ms,
                to_ms=window.to_ms,
                bucket_ms=max(1, window.to_ms - window.from_ms),
            )
        )

    def to_json(self) -> dict[str, Any]:
        """As an errand keeps it."""
        return {
            "query": self.comparison.query(),
            "windows": [[window.from_ms, window.to_ms] for window in self.windows],
            "zone": self.zone.key,
            "units": self.units.value,
        }

    @classmethod
    def of_json(cls, stored: dict[str, Any]) -> "Export":
        """What is out of reach by now, or gone, is left out."""
        return cls(
            Comparison.of(QueryDict(stored["query"]), most=MOST_SERIES),
            [Window(from_ms, to_ms) for from_ms, to_ms in stored["windows"]],
            ZoneInfo(stored["zone"]),
            UnitSystem(stored["units"]),
        )


def export_ask(export: Export, *, actor: User, factory: Factory) -> Errand:
    """Have a worker write it. Raises ErrandsTooManyError."""
    machines = [str(machine) for machine, _metrics in by_machine(export.comparison.metrics)]
    shown = ", ".join(machines[:3]) + ("…" if len(machines) > 3 else "")
    title = _("CSV of every reading: %(machines)s") % {"machines": shown}
    return errand_ask(actor=actor, factory=factory, kind=KIND, title=title, asked=export.to_json())


def export_noted(export: Export, *, actor: Any) -> None:
    """Write down that somebody takes readings along."""
    audit_record(
        actor=actor,
        action="readings.exported",
        target=", ".join(export.comparison.names),
        metrics=len(export.comparison.metrics),
        from_ms=export.windows[0].from_ms,
        to_ms=export.windows[0].to_ms,
    )


def _make(errand: Errand, tell: Tell) -> Made:
    export, factory = Export.of_json(errand.asked), factory_current()
    if not export.comparison.metrics or factory is None:
        raise InvalidInputError(_("None of these series is there any more."))
    whole, written = max(1, export.size()), 0
    file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever keeps it closes it
    for piece in export.rows(factory):
        file.write(piece.encode())
        written += piece.count("\n")
        tell(min(1.0, written / whole))
    return Made(file=file, file_name=f"{factory.slug}-readings.csv", answer={"readings": written - 1})


def _said(errand: Errand) -> str:
    return _("%(number)s readings") % {"number": f"{errand.answer.get('readings', 0):,}".replace(",", "\u202f")}


errand_kinds[KIND] = ErrandKind(make=_make, said=_said)
