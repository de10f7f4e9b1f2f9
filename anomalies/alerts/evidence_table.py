"""How an alert's page heads the table of its metrics: what a stuck sensor shows is no range that was left."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.models import Alert

# Conditions of rules that ask whether readings come or move, not how high they are.
_QUIET_OPS: dict[str, Promise] = {
    "no_data": gettext_lazy("What stays away"),
    "stuck": gettext_lazy("What does not move"),
}


@dataclass(frozen=True, slots=True)
class EvidenceTable:
    """Words over the table. normal: the last column's, empty where nothing can stand in it; shared: whether several
    metrics share in it.
    """

    heading: str
    observed: str
    normal: str
    shared: bool


def evidence_table(alert: Alert) -> EvidenceTable:
    """The words that fit what the alert is about."""
    parts = alert.evidence.get("metrics") or []
    shared = len(parts) > 1
    if alert.cause.startswith("stuck:"):
        return EvidenceTable(_("What does not move"), _("Every reading"), "", shared)
    if alert.cause.startswith("rule:"):
        return _of_rule({str(part.get("op", "")) for part in parts}, shared)
    return EvidenceTable(_("What left its normal range"), _("Observed"), _("Normal"), shared=True)


def _of_rule(ops: set[str], shared: bool) -> EvidenceTable:
    quiet = _QUIET_OPS.get(next(iter(ops))) if len(ops) == 1 else None
    if quiet is not None:
        return EvidenceTable(str(quiet), _("Last reading"), "", shared)
    limit = "" if ops and ops <= {"state", "not_state", *_QUIET_OPS} else _("Limit")
    return EvidenceTable(_("What the rule found"), _("Observed"), limit, shared)
