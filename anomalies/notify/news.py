"""News of alerts as the channels word them: each alert as it was at the moment of its transition, and its place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from anomalies.alerts.sentences import since_text
from anomalies.alerts.words import words_read
from anomalies.models import Notice, Occasion, Severity
from common.units import UnitSystem
from telemetry.history.spans import machine_zone
from telemetry.viewing.sentences import sentence_in
from tenants.addresses import factory_url
from tenants.context import factory_current
from tenants.models import Factory

_RANK = {severity: rank for rank, severity in enumerate(Severity.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One alert's news. content: see `anomalies.alerts.presenting.alert_as_dict`; waited_min: an escalation's;
    units: those in which its reader wants figures.
    """

    notice: int
    occasion: str
    content: dict[str, Any]
    machine: str
    place: str
    zone: ZoneInfo
    url: str
    at: datetime
    waited_min: int = 0
    units: UnitSystem = UnitSystem.STORED

    @property
    def alert(self) -> int:
        """The alert's number."""
        return int(self.content["id"])

    @property
    def severity(self) -> str:
        return str(self.content["severity"])

    @property
    def severity_word(self) -> str:
        """The severity in the reader's language."""
        return str(Severity(self.severity).label)

    @property
    def title(self) -> str:
        """What is wrong in a few words, in the reader's language and units."""
        return sentence_in(self._words[0], self.units)

    @property
    def summary(self) -> str:
        """What is wrong as a sentence without its full stop, in the reader's language and units."""
        return sentence_in(self._words[1], self.units)

    @property
    def _words(self) -> tuple[str, str]:
        content = self.content
        return words_read(str(content["title"]), str(content["summary"]), content.get("evidence") or {})

    @property
    def returned(self) -> bool:
        """Whether the news is that it is over."""
        return self.occasion == Occasion.RETURNED

    @property
    def since(self) -> str:
        """Since when, by the plant's clock."""
        return since_text(datetime.fromisoformat(self.content["since_at"]), self.zone)

    @property
    def returned_since(self) -> str:
        """Since when it is over, by the plant's clock."""
        at = self.content.get("returned_at")
        return since_text(datetime.fromisoformat(at), self.zone) if at else ""

    @property
    def rank(self) -> int:
        """The severity as a number, the least is 0."""
        return severity_rank(self.severity)

    @property
    def urgency(self) -> int:
        """What is wrong before what is over, and the severest first: lower comes first."""
        return (10 if self.returned else 0) - self.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one message tells: one alert's news, or that of many together.

    grouped: told as many, however few are left. update: an earlier message told of the same storm. thread: the
    conversation that mail programs show together.
    """

    items: tuple[Item, ...]
    factory: Factory
    thread: str
    grouped: bool = False
    update: bool = False

    @property
    def first(self) -> Item:
        """The one alert, or the most urgent of many."""
        return self.items[0]

    @property
    def many(self) -> bool:
        """Whether it is worded as many: one that is left of a storm, or follows it alone, is told by its own name."""
        return self.grouped and len(self.items) > 1

    @property
    def occasion(self) -> str:
        return Occasion.GROUP if self.grouped else self.first.occasion

    @property
    def severity(self) -> str:
        """The highest of what is wrong."""
        return self.first.severity

    @property
    def alerts_url(self) -> str:
        """Where one can see it: the alert, or the list of what is open."""
        return factory_url(self.factory, "/alerts") if self.many else self.first.url

    @property
    def key(self) -> str:
        """Names the news: the same whenever it is made from the same notices."""
        return self.thread if not self.grouped else f"group:{min(self._notices)}-{max(self._notices)}"

    @property
    def _notices(self) -> list[int]:
        return [item.notice for item in self.items]

    def of(self, items: Sequence[Item]) -> "News":
        """The same for some of its alerts, the most urgent first."""
        return replace(self, items=tuple(sorted(items, key=lambda item: item.urgency)))


def latest_of(items: Iterable[Item]) -> list[Item]:
    """Each alert's newest news alone: what many are told together counts alerts, not what happened to them."""
    return list({item.alert: item for item in sorted(items, key=lambda item: item.notice)}.values())


def severity_rank(severity: str) -> int:
    """A severity as a number, the least is 0."""
    return _RANK[severity]


def item_of(notice: Notice) -> Item:
    """One notice as news; wants `alert__machine__line__site` and `step` loaded."""
    alert, factory = notice.alert, factory_current()
    line = alert.machine.line
    return Item(
        notice=notice.pk,
        occasion=notice.occasion,
        content=notice.content,
        machine=str(alert.machine),
        place=f"{line.site} · {line}" if line is not None else "",
        zone=machine_zone(alert.machine),
        url=factory_url(factory, f"/alerts/{alert.pk}") if factory else "",
        at=notice.created_at,
        waited_min=notice.step.after_min if notice.step else 0,
    )
