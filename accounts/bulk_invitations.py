"""Many invitations from one CSV: read and checked as a whole first, then sent one by one."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.access import Access
from accounts.errands import ErrandKind, Made, errand_ask, errand_kinds
from accounts.invitations import invitation_create
from accounts.jobs import Tell
from accounts.models import CustomRole, Errand, Invitation, Role, User
from accounts.people import actions_check
from accounts.reach import Place, Reach, places
from common.errors import DomainError, InvalidInputError
from tenants.models import Factory

LARGEST_BYTES = 256 * 1024
MOST_ROWS = 500
KIND = "invitations"
# Mails that are sent while a person waits; more are sent by a worker, and a page shows how far it is.
AT_ONCE = 10
_COLUMNS = ("email", "role", "sees")


class BulkInvalidError(InvalidInputError):
    """The file can't be read as a list of invitations at all."""

    code = "invitations_file_invalid"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: whom to invite as what, or what is wrong with it. sees: places as the file names them."""

    number: int
    email: str
    access: Access | None
    problem: str = ""
    sees: str = ""

    @property
    def role(self) -> str:
        """The role's name, as people know it; empty where something is wrong."""
        if self.access is None:
            return ""
        return str(self.access.custom_role or Role(self.access.role).label)


def bulk_read(content: bytes, *, actor: User) -> list[Row]:
    """The rows of a CSV with the columns `email`, and if wanted `role` and `sees` (sites and lines, “;” between).

    Everything is checked as sending would check it. Raises BulkInvalidError.
    """
    if len(content) > LARGEST_BYTES:
        raise BulkInvalidError(_("This file is too large."))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BulkInvalidError(_("This is no text in UTF-8.")) from error
    lines = text.splitlines()
    # Spreadsheets in many languages write semicolons.
    reader = csv.DictReader(lines, delimiter=";" if lines and lines[0].count(";") > lines[0].count(",") else ",")
    try:
        heads = [str(name).strip().lower() for name in reader.fieldnames or []]
        if "email" not in heads or set(heads) - set(_COLUMNS):
            raise BulkInvalidError(_("The first line names the columns: email, role, sees."))
        reader.fieldnames = heads
        listed = list(reader)
    except csv.Error as error:
        raise BulkInvalidError(_("This can't be read as a table: %(why)s") % {"why": error}) from error
    if not listed or len(listed) > MOST_ROWS:
        raise BulkInvalidError(_("List 1 to %(most)s people.") % {"most": MOST_ROWS})
    return _checked([{key: str(value or "").strip() for key, value in row.items() if key} for row in listed], actor)


def bulk_send(rows: Sequence[Row], *, actor: User, tell: Tell | None = None) -> list[Row]:
    """Send those without a problem; returns the rows that could not be sent, with what was wrong.

    tell: is told before each mail how far it is, 0 to 1.
    """
    failed = []
    for done, row in enumerate(rows):
        if tell is not None:
            tell(done / len(rows))
        if row.access is None:
            continue
        try:
            invitation_create(actor=actor, email=row.email, access=row.access)
        except DomainError as error:
            failed.append(Row(row.number, row.email, None, error.detail))
    return failed


def bulk_send_ask(listed: str, *, actor: User, factory: Factory) -> Errand:
    """Have a worker send the good ones of a file, because each mail takes its time. Raises ErrandsTooManyError."""
    return errand_ask(actor=actor, factory=factory, kind=KIND, title=_("Invitations"), asked={"listed": listed})


def _make(errand: Errand, tell: Tell) -> Made:
    actor = errand.asked_by
    if actor is None:
        raise BulkInvalidError(_("Whoever asked for it is not here any more."))
    rows = [row for row in bulk_read(errand.asked["listed"].encode(), actor=actor) if row.access is not None]
    failed = bulk_send(rows, actor=actor, tell=tell)
    return Made(answer={"sent": len(rows) - len(failed), "failed": [[row.email, row.problem] for row in failed]})


def _said(errand: Errand) -> str:
    sent = errand.answer.get("sent", 0)
    told = ngettext("%(sent)s invitation is on its way.", "%(sent)s invitations are on their way.", sent)
    return " ".join([told % {"sent": sent}, *(f"{email}: {why}" for email, why in errand.answer.get("failed", []))])


errand_kinds[KIND] = ErrandKind(make=_make, said=_said, href=lambda _errand: reverse("people"))


def _checked(listed: list[dict[str, str]], actor: User) -> list[Row]:
    known = {email.lower() for email in User.objects.values_list("email", flat=True)}
    known |= set(Invitation.objects.filter(accepted_at=None, revoked_at=None).values_list("email", flat=True))
    roles = {role.name.lower(): role for role in CustomRole.objects.all()}
    here = {place.name.lower(): place for place in places()}
    rows = []
    for number, given in enumerate(listed, start=2):
        email = given.get("email", "").lower()
        try:
            validate_email(email)
            if email in known:
                raise BulkInvalidError(_("is here, invited, or listed twice"))
            access = Access(*_role(given.get("role", ""), roles), reach=_reach(given.get("sees", ""), here))
            access.check()
            actions_check(actor, (access.role, access.actions))
        except ValidationError:
            rows.append(Row(number, email, None, _("is no e-mail address")))
        except DomainError as error:
            rows.append(Row(number, email, None, error.detail))
        else:
            known.add(email)
            rows.append(Row(number, email, access, sees=given.get("sees", "")))
    return rows


def _role(text: str, own: dict[str, CustomRole]) -> tuple[str, CustomRole | None]:
    word = text.lower() or Role.OPERATOR.value
    ours = {role.value: role for role in Role} | {str(role.label).lower(): role for role in Role}
    if word in ours:
        return ours[word].value, None
    if word in own:
        return Role.VIEWER.value, own[word]
    raise BulkInvalidError(_("there is no role “%(role)s”") % {"role": text[:40]})


def _reach(text: str, here: dict[str, Place]) -> Reach | None:
    sites: set[int] = set()
    lines: set[int] = set()
    for name in (part.strip() for part in text.split(";") if part.strip()):
        place = here.get(name.lower())
        if place is None:
            raise BulkInvalidError(_("there is no site or line “%(name)s”") % {"name": name[:60]})
        (sites if place.kind == "site" else lines).add(place.pk)
    return Reach(frozenset(sites), frozenset(lines)) if sites or lines else None
