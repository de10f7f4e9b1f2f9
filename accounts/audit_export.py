"""The audit trail taken along as CSV: at once where that is a moment's work, else as an errand."""

import tempfile
from collections.abc import Mapping

from django.utils.translation import gettext as _

from accounts.audit_trail import audit_csv, audit_find
from accounts.errands import ErrandKind, Made, errand_ask, errand_kinds
from accounts.jobs import Tell
from accounts.models import AuditEntry, Errand, User
from accounts.permissions import permits
from common.errors import InvalidInputError
from tenants.models import Factory

KIND = "audit_csv"
# Entries that are written within a second on one core; what is more is written by a worker.
AT_ONCE = 10_000


def audit_export_ask(chosen: Mapping[str, str], *, actor: User, factory: Factory) -> Errand:
    """Have a worker write what a filter of `audit_find` finds. Raises ErrandsTooManyError."""
    newest = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first()
    asked = {"chosen": dict(chosen), "newest": newest or 0}
    return errand_ask(actor=actor, factory=factory, kind=KIND, title=_("CSV of the audit trail"), asked=asked)


def _make(errand: Errand, tell: Tell) -> Made:
    # It holds what stood there when it was asked for, and its person may have lost the right since.
    if not permits(errand.asked_by, "audit"):
        raise InvalidInputError(_("Your role does not allow this. Ask an admin of your factory."))
    found = audit_find(errand.asked["chosen"]).filter(pk__lte=errand.asked["newest"])
    whole, written = max(1, found.count()), 0
    file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever keeps it closes it
    for piece in audit_csv(found):
        file.write(piece.encode())
        written += piece.count("\r\n")
        tell(min(1.0, written / whole))
    return Made(file=file, file_name="audit.csv", answer={"entries": whole})


def _said(errand: Errand) -> str:
    return _("%(number)s entries") % {"number": f"{errand.answer.get('entries', 0):,}".replace(",", "\u202f")}


errand_kinds[KIND] = ErrandKind(make=_make, said=_said)
