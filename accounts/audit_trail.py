"""Reading the audit trail: filtered on the page, by the API, and as a file."""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from django.db.models import QuerySet
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from accounts.models import AuditEntry
from common.errors import InvalidInputError
from common.spreadsheets import cell_safe
from tenants.context import factory_current

COLUMNS = ("at", "actor", "action", "target", "before", "after", "details", "address", "request_id")


class AuditFilterError(InvalidInputError):
    """A filter can't be understood."""

    code = "audit_filter_invalid"


def audit_find(asked: Mapping[str, str]) -> QuerySet[AuditEntry]:
    """Entries, newest first. asked: `actor`, `target` (contain), `action` (begins), `from`, `to` (days or RFC 3339).

    Days are the factory's. Raises AuditFilterError.
    """
    found = AuditEntry.objects.all()
    for name, lookup in (("actor", "icontains"), ("target", "icontains"), ("action", "startswith")):
        if asked.get(name):
            found = found.filter(**{f"{name}__{lookup}": asked[name][:254]})
    for name, lookup in (("from", "gte"), ("to", "lt")):
        if asked.get(name):
            found = found.filter(**{f"at__{lookup}": _instant(name, asked[name])})
    return found


def audit_csv(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """The entries as CSV, oldest first, times in UTC; no cell that a spreadsheet would take for a formula."""
    line = StringIO()
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    for entry in entries.order_by("at", "id").iterator(chunk_size=1_000):
        writer.writerow([cell_safe(_text(getattr(entry, column))) for column in COLUMNS])
        if line.tell() > 64_000:
            yield line.getvalue()
            line.seek(0)
            line.truncate()
    yield line.getvalue()


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value in (None, {}) else str(value)


def _instant(name: str, text: str) -> datetime:
    """A day begins at midnight of the factory; a `to` that is a day takes it in whole."""
    try:
        instant, day = parse_datetime(text), parse_date(text)
    except ValueError:
        instant = day = None
    factory = factory_current()
    if day is not None and factory is not None and len(text) == 10:
        midnight = datetime.combine(day, datetime.min.time(), tzinfo=factory.zone)
        return midnight if name == "from" else midnight + timedelta(days=1)
    if instant is None:
        raise AuditFilterError(_("“%(text)s” is no day or time.") % {"text": text[:40]})
    return instant if instant.tzinfo else instant.replace(tzinfo=factory.zone if factory else UTC)
