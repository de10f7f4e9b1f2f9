"""A draft tried on the past from its page: at once where that takes a moment, else as an errand.

The errand keeps the draft, so that whoever left the page finds both there again: what was being built, and its past.
"""

from dataclasses import asdict
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.errands import ErrandKind, ErrandNotFoundError, Made, errand_ask, errand_get, errand_kinds
from accounts.jobs import Tell
from accounts.models import Errand, User
from anomalies.rules.backtest import Backtest, Firing, MachineBacktest, backtest
from anomalies.rules.conditions import RuleDocument
from anomalies.rules.drafts import Data
from anomalies.rules.keeping import rule_checked
from common import clock
from telemetry.models import Machine
from tenants.models import Factory

KIND = "rule_backtest"
DAYS = 30
_DAY_MS = 86_400_000
# What a page waits for; a machine's month of readings once a second takes longer.
AT_ONCE_S = 1.0
_WORKER_S = 600.0


def draft_try(data: Data) -> Backtest:
    """The draft over the last days, as far as a moment reaches. Raises RuleInvalidError, StoreUnavailableError."""
    now_ms = clock.now_ms()
    return backtest(_rule(data), from_ms=now_ms - DAYS * _DAY_MS, to_ms=now_ms, within_s=AT_ONCE_S)


def draft_try_ask(data: Data, *, rule_id: int | None, actor: User, factory: Factory) -> Errand:
    """Have a worker try it. Raises ErrandsTooManyError."""
    title = _("Back-test of “%(name)s”") % {"name": data["name"]} if data["name"] else _("Back-test of a rule")
    asked = {"draft": data, "rule": rule_id}
    return errand_ask(actor=actor, factory=factory, kind=KIND, title=title, asked=asked)


def tried_get(errand_id: int, *, person: User) -> Errand:
    """Raises ErrandNotFoundError, also for errands of other kinds."""
    errand = errand_get(errand_id, person=person)
    if errand.kind != KIND:
        raise ErrandNotFoundError(_("This is not there any more: such things are kept for a day."))
    return errand


def tried_found(errand: Errand) -> Backtest:
    """What a ready one found, of machines that are still there."""
    stored = errand.answer
    keys = [row["machine"] for row in stored["machines"]]
    known = {machine.key: machine for machine in Machine.objects.filter(key__in=keys).select_related("line__site")}
    machines = [
        MachineBacktest(
            **{**row, "machine": known[row["machine"]], "firings": [Firing(**firing) for firing in row["firings"]]}
        )
        for row in stored["machines"]
        if row["machine"] in known
    ]
    return Backtest(stored["from_ms"], stored["to_ms"], machines)


def _make(errand: Errand, tell: Tell) -> Made:
    now_ms = clock.now_ms()
    from_ms = now_ms - DAYS * _DAY_MS
    rule = _rule(errand.asked["draft"])
    found = backtest(rule, from_ms=from_ms, to_ms=now_ms, within_s=_WORKER_S, tell=tell)
    machines = [{**_plain(row), "machine": row.machine.key} for row in found.machines]
    return Made(answer={"from_ms": found.from_ms, "to_ms": found.to_ms, "machines": machines})


def _plain(row: MachineBacktest) -> dict[str, Any]:
    return {
        "evaluated_to_ms": row.evaluated_to_ms,
        "first_ms": row.first_ms,
        "readings": row.readings,
        "fired": row.fired,
        "active_ms": row.active_ms,
        "firings": [asdict(firing) for firing in row.firings],
    }


def _rule(data: Data) -> RuleDocument:
    return rule_checked({**data, "name": data["name"] or "-"})


def _said(errand: Errand) -> str:
    fired = sum(row["fired"] for row in errand.answer.get("machines", []))
    return ngettext("It would have fired once.", "It would have fired %(n)s times.", fired) % {"n": fired}


def _href(errand: Errand) -> str:
    return reverse("rule_tried", args=[errand.pk])


errand_kinds[KIND] = ErrandKind(make=_make, said=_said, href=_href)
