"""How factories fare, for platform staff: counts and times, never a name or a value of what a factory makes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import Max, Sum
from django.utils.translation import gettext as _

from accounts.models import User
from anomalies.receivers import ingest_rate
from common import clock
from common.times import from_ms
from telemetry.ingest.dead_letters import reason_short
from telemetry.ingest.journal import DeadLetter, Journal
from telemetry.models import Machine, QuarantinedReading
from tenants.context import factories_all, factory_context
from tenants.models import Factory

A_PAGE = 25
_DAY = timedelta(days=1)
# What the readings take in PostgreSQL; those in InfluxDB are not in these tables.
_SIZES = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname LIKE 'telemetry_reading%%'), 0),
        coalesce(sum(pg_total_relation_size(c.oid)), 0)
    FROM pg_class c WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind = 'r'
"""


@dataclass(frozen=True, slots=True)
class FactoryHealth:
    """One factory at one moment. lag_s: age of the oldest reading of this node that waits for the store.

    refused: readings put into quarantine within a day; last_refusal: the code of the newest. readings_bytes,
    whole_bytes: in PostgreSQL. buried: batches of this node that the store refused for good.
    """

    factory: Factory
    machines: int
    machines_live: int
    readings_per_s: float
    lag_s: float
    refused: int
    last_refusal: str
    last_refusal_at: datetime | None
    buried: int
    last_buried: str
    readings_bytes: int
    whole_bytes: int
    people: int
    last_sign_in_at: datetime | None


def factories_health(journal: Journal, *, number: int, search: str = "") -> tuple[Page[Factory], list[FactoryHealth]]:
    """One page of factories, by address, and how each fares."""
    found = [factory for factory in factories_all() if search in factory.slug or search in factory.name.lower()]
    page = Paginator(found, A_PAGE).get_page(number)
    buried: dict[str, list[DeadLetter]] = {}
    for letter in journal.dead_letter_entries():
        buried.setdefault(letter.factory, []).append(letter)
    return page, [factory_health(factory, journal, buried.get(factory.slug, [])) for factory in page]


def factory_health(factory: Factory, journal: Journal, buried: list[DeadLetter]) -> FactoryHealth:
    """How one factory fares now."""
    now, oldest_ms = clock.now(), journal.oldest_ms(factory.slug)
    with factory_context(factory):
        machines = list(Machine.objects.all())
        recent = QuarantinedReading.objects.filter(received_at__gte=now - _DAY)
        newest = QuarantinedReading.objects.order_by("-received_at", "-id").first()
        people = User.objects.filter(is_active=True).aggregate(last=Max("last_login"))
        with connection.cursor() as cursor:
            cursor.execute(_SIZES, [factory.schema_name])
            readings_bytes, whole_bytes = cursor.fetchone()
        return FactoryHealth(
            factory=factory,
            machines=len(machines),
            machines_live=sum(_is_live(machine, now) for machine in machines),
            readings_per_s=ingest_rate(),
            lag_s=max(0.0, (now - from_ms(oldest_ms)).total_seconds()) if oldest_ms is not None else 0.0,
            refused=recent.aggregate(all=Sum("count"))["all"] or 0,
            last_refusal=newest.code if newest else "",
            last_refusal_at=newest.received_at if newest else None,
            buried=len(buried),
            last_buried=reason_short(buried[-1]) if buried else "",
            readings_bytes=int(readings_bytes),
            whole_bytes=int(whole_bytes),
            people=User.objects.filter(is_active=True).count(),
            last_sign_in_at=people["last"],
        )


def _is_live(machine: Machine, now: datetime) -> bool:
    seen_at = machine.last_seen_at
    return seen_at is not None and now - seen_at <= timedelta(seconds=machine.silent_after_s)


def wrongs(health: FactoryHealth) -> list[str]:
    """What of it staff should look at, in words; empty when nothing is."""
    told = []
    if health.lag_s > 60:
        told.append(_("history is delayed"))
    if health.buried:
        told.append(_("dead letters"))
    if health.machines and not health.machines_live:
        told.append(_("all machines silent"))
    return told
