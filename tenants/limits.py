"""What a factory's plan allows, in numbers and in words. Each limit is checked where it bites, and says so as here."""

from dataclasses import dataclass
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenants.models import SMALLEST_BODY_BYTES, Factory, Plan

__all__ = ["SMALLEST_BODY_BYTES", "Limits", "Use", "limit_sentence", "limits_of", "uses_of"]

_DAY_MS = 24 * 3600 * 1000
_MINUTE_MS = 60 * 1000
Limit = Literal["machines", "people", "metrics_per_machine", "series", "readings_per_s", "body_bytes"]


@dataclass(frozen=True, slots=True)
class Limits:
    """A plan in the units of whoever checks it.

    machines, metrics_per_machine, series (all metrics of all machines): how many may be registered. people: who may
    sign in, the invited included.
    readings_per_s: over all doors and processes; body_bytes: of one body or message, also after inflation.
    past_ms, ahead_ms: how far a reading's time may lie from its arrival. retention_days: how long readings are kept.
    """

    machines: int
    people: int
    metrics_per_machine: int
    series: int
    readings_per_s: int
    body_bytes: int
    past_ms: int
    ahead_ms: int
    retention_days: int


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one limit is taken."""

    limit: Limit
    label: str | Promise
    used: int
    allowed: int

    @property
    def share(self) -> float:
        """0 to 1, and 1 for whatever is beyond."""
        return min(1.0, self.used / self.allowed) if self.allowed else 1.0


def limits_of(factory: Factory | None) -> Limits:
    """What this factory may use; a factory without a plan has the defaults of a new one."""
    plan = (factory.plan if factory is not None else None) or Plan()
    return Limits(
        machines=plan.max_machines,
        people=plan.max_users,
        metrics_per_machine=plan.max_metrics_per_machine,
        series=plan.max_series,
        # A rate of nothing would make the first reading wait for ever.
        readings_per_s=max(1, plan.max_readings_per_s),
        body_bytes=max(SMALLEST_BODY_BYTES, plan.max_body_bytes),
        past_ms=plan.accepted_past_days * _DAY_MS,
        ahead_ms=plan.accepted_ahead_minutes * _MINUTE_MS,
        retention_days=plan.retention_days,
    )


_LABELS: dict[Limit, Promise] = {
    "machines": _("Machines"),
    "series": _("Metrics of all machines"),
}


def uses_of(limits: Limits, *, machines: int, series: int) -> list[Use]:
    """What is used of what may be; the caller has counted."""
    used: dict[Limit, int] = {"machines": machines, "series": series}
    return [Use(limit, _LABELS[limit], used[limit], getattr(limits, limit)) for limit in used]


def limit_sentence(limit: Limit, limits: Limits) -> str:
    """Why something was refused, said to whoever meets the limit.

    >>> limit_sentence("machines", limits_of(None))
    'The plan has room for 10 machines, and they are all taken.'
    """
    return str(_SENTENCES[limit]) % {"allowed": f"{getattr(limits, limit):,}"}


_SENTENCES: dict[Limit, Promise] = {
    "machines": _("The plan has room for %(allowed)s machines, and they are all taken."),
    "people": _("The plan has room for %(allowed)s people, the invited included, and there is no place left."),
    "metrics_per_machine": _("The plan has room for %(allowed)s metrics of one machine, and they are all taken."),
    "series": _("The plan has room for %(allowed)s metrics of all machines together, and they are all taken."),
    "readings_per_s": _("The plan allows %(allowed)s readings a second, and this factory sends more."),
    "body_bytes": _("The plan allows bodies of %(allowed)s bytes, also after inflation: send smaller ones."),
}
