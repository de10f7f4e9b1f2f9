"""What was refused, as the factory's admins look through it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from common import clock
from telemetry.models import QuarantinedReading
from telemetry.refusal_words import detail_said, reason_word, source_word
from telemetry.remedies import remedy

PAGE_SIZE = 50
SPANS = {
    "hour": (timedelta(hours=1), _("Last hour")),
    "day": (timedelta(days=1), _("Last 24 hours")),
    "week": (timedelta(days=7), _("Last 7 days")),
    "": (None, _("All that is kept")),
}


@dataclass(frozen=True, slots=True)
class Refused:
    """One refusal as a page shows it."""

    row: QuarantinedReading

    @property
    def reason(self) -> str:
        """Its code in a few words."""
        return reason_word(self.row.code)

    @property
    def source(self) -> str:
        """The door and the key it came by."""
        return source_word(self.row.source)

    @property
    def detail(self) -> str | None:
        """What the door said, in the reader's language; None where it can't be said in it."""
        return detail_said(self.row.detail)

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return str(remedy(self.row.code))


@dataclass(frozen=True, slots=True)
class RefusedFilter:
    """What of the refused to show; before: a row's number, to page back in time."""

    code: str = ""
    machine: str = ""
    span: str = ""
    before: int | None = None

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "RefusedFilter":
        """From a query string; what makes no sense is left out."""
        before, span = asked.get("before", ""), asked.get("span", "")
        return cls(
            code=_text(asked.get("code", ""), 40),
            machine=_text(asked.get("machine", ""), 64),
            span=span if span in SPANS else "",
            before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None,
        )

    @property
    def narrows(self) -> bool:
        """Whether anything at all is filtered."""
        return bool(self.code or self.machine or self.span)

    def query(self, **changes: Any) -> str:
        """The query string for this choice with some parts changed."""
        parts = {"code": self.code, "machine": self.machine, "span": self.span, **changes}
        return urlencode({name: value for name, value in parts.items() if value})

    def rows(self) -> QuerySet[QuarantinedReading]:
        """What is chosen, but for the page."""
        found = _since(self.span)
        if self.code:
            found = found.filter(code=self.code)
        if self.machine:
            found = found.filter(machine=self.machine)
        return found


def refused_page(chosen: RefusedFilter) -> dict[str, Any]:
    """A page of refusals, newest first, with what to do about each, and the figures beside the filters."""
    found = chosen.rows().order_by("-pk")
    if chosen.before is not None:
        found = found.filter(pk__lt=chosen.before)
    rows = list(found[: PAGE_SIZE + 1])
    more = len(rows) > PAGE_SIZE
    return {
        "rows": [Refused(row) for row in rows[:PAGE_SIZE]],
        "older": chosen.query(before=rows[PAGE_SIZE - 1].pk) if more else "",
        "total": chosen.rows().aggregate(total=Sum("count"))["total"] or 0,
        "codes": [(code, reason_word(code), count) for code, count in _counted(_since(chosen.span), "code")],
        "machines": _counted(_since(chosen.span).exclude(machine=""), "machine"),
        "spans": [(span, label) for span, (_length, label) in SPANS.items()],
    }


def refused_since(since_at: datetime) -> int:
    """How many readings and bodies of the current factory were refused since then."""
    found = QuarantinedReading.objects.filter(received_at__gte=since_at)
    return int(found.aggregate(total=Sum("count"))["total"] or 0)


def _since(span: str) -> QuerySet[QuarantinedReading]:
    length = SPANS[span][0]
    found = QuarantinedReading.objects.order_by()
    return found.filter(received_at__gte=clock.now() - length) if length else found


def _counted(found: QuerySet[QuarantinedReading], field: str) -> list[tuple[str, int]]:
    """Values of a field with how often they were refused, most often first; the list of machines may be long."""
    counts = found.values_list(field).annotate(total=Sum("count")).order_by("-total", field)
    return [(value, total) for value, total in counts[:200]]


def _text(given: str, length: int) -> str:
    # PostgreSQL takes no NUL.
    return given.replace("\0", "")[:length]
