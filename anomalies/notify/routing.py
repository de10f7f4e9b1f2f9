"""From news to messages: who is told of what waits, alone or as a storm, each message once.

One worker at a time does this for a factory (a lock of the transaction); the messages it writes are then sent by any
number of them.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from anomalies.models import (
    HIDDEN_STATES,
    AlertEvent,
    ChannelName,
    Escalation,
    EscalationState,
    Notice,
    Notification,
    Occasion,
    RouteStep,
)
from anomalies.notify.audience import Audiences, subject_of
from anomalies.notify.channels import CHANNELS
from anomalies.notify.delivery import Content
from anomalies.notify.directory import Tell
from anomalies.notify.inbox import inbox_tell_of
from anomalies.notify.messages import message_of
from anomalies.notify.news import Item, News, item_of, latest_of
from anomalies.notify.storms import OVER_S, storm_decide
from anomalies.notify.told import places_told, told_before_of, worse_of
from common import clock
from tenants.context import factory_current

_log = structlog.get_logger(__name__)

AT_MOST = 5_000
# An alert that flaps is one trouble: the same is not said twice within this time, only what has changed by then.
FLAPS_S = 600.0
_NAMED_AT_MOST = 8


@dataclass(slots=True)
class _Outcome:
    """What a run has found: messages to write by place, steps that wait, notices that wait longer."""

    by_place: dict[Tell, list[Item]] = field(default_factory=dict)
    told: dict[int, list[Tell]] = field(default_factory=dict)
    later: list[tuple[Notice, RouteStep]] = field(default_factory=list)
    done: list[Notice] = field(default_factory=list)
    held: list[Notice] = field(default_factory=list)

    def tell(self, item: Item, tells: Iterable[Tell]) -> None:
        """One alert's news for some places."""
        for tell in tells:
            self.by_place.setdefault(tell, []).append(item)
            self.told.setdefault(item.notice, []).append(tell)


def notices_route() -> float | None:
    """Turn news that is due into messages. Answers in how many seconds to look again for what is held back, or None."""
    with transaction.atomic():
        _alone()
        now = clock.now()
        due = list(
            Notice.objects.filter(routed_at=None, due_at__lte=now)
            .select_related("alert__machine__line__site", "alert__rule", "step")
            .order_by("pk")[:AT_MOST]
        )
        if not due:
            return None
        decision = storm_decide(
            # Alerts, not news: one that flaps is no storm.
            list({notice.alert_id: notice.created_at for notice in due}.values()),
            lately=Notice.objects.filter(routed_at__gte=now - timedelta(minutes=1), told=True).aggregate(
                alerts=Count("alert", distinct=True)
            )["alerts"],
            last_group_at=_last_group_at(now),
            now=now,
        )
        if decision.hold_s > 0:
            return decision.hold_s
        outcome = _resolve(due, now)
        written = _write(outcome, grouped=decision.grouped, now=now)
        _settle(outcome, now)
        _log.info("notices_routed", notices=len(outcome.done), messages=written, grouped=decision.grouped)
        return None


def _alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.notices', 0))")


def _last_group_at(now: datetime) -> datetime | None:
    recent = Notification.objects.filter(
        occasion=Occasion.GROUP, created_at__gte=now - timedelta(seconds=OVER_S)
    ).order_by("-created_at")
    return recent.values_list("created_at", flat=True).first()


def _resolve(due: Sequence[Notice], now: datetime) -> _Outcome:
    outcome, audiences = _Outcome(), Audiences()
    told_before, worse = told_before_of(due), worse_of(due)
    known = places_told([notice for notice in due if notice.pk in worse])
    by_alert: dict[int, list[Notice]] = {}
    for notice in due:
        by_alert.setdefault(notice.alert_id, []).append(notice)
    for alert_id, notices in by_alert.items():
        said = dict(told_before.get(alert_id, {}))
        for place, notice in enumerate(notices):
            following = notices[place + 1] if place + 1 < len(notices) else None
            outcome.done.append(notice)
            if _muted(notice) or (place and _is_past(notices[place - 1], notice)):
                continue
            if _was_held(notice) and (following is not None or said.get("last") == notice.occasion):
                continue  # over before it could be told, or as it was when somebody was last told
            if following is not None and following.pk in worse:
                # What grows severer within the same moment is told to people once, as it is now.
                _programs(notice, outcome, audiences)
            elif following is not None and _is_past(notice, following):
                _past(notice, following, outcome, audiences)
            elif notice.pk in worse and said.get("last") == Occasion.RAISED:
                _severer(notice, outcome, audiences, known[alert_id])
            else:
                _one(notice, outcome, audiences, said, now)
    return outcome


def _one(
    notice: Notice, outcome: _Outcome, audiences: Audiences, said: dict[str, datetime | str], now: datetime
) -> None:
    item, subject = item_of(notice), subject_of(notice.alert)
    if notice.step is not None:
        outcome.tell(item, audiences.of_step(notice.step, subject))
        return
    audience = audiences.at_first(notice.alert, returned=item.returned)
    before = said.get(notice.occasion)
    grew = notice.occasion == Occasion.RAISED and item.rank > int(str(said.get("rank", item.rank)))
    if (
        not grew
        and not _was_held(notice)
        and isinstance(before, datetime)
        and now - before < timedelta(seconds=FLAPS_S)
    ):
        # People hear it later, if it is still so. A program keeps count of every change.
        outcome.tell(item, [tell for tell in audience.tells if not CHANNELS[tell.channel].groups])
        outcome.done.remove(notice)
        notice.due_at = before + timedelta(seconds=FLAPS_S)
        outcome.held.append(notice)
        return
    outcome.tell(item, audience.tells)
    outcome.later += [(notice, step) for step in audience.later]
    said.update({notice.occasion: notice.created_at, "last": notice.occasion, "rank": str(item.rank)})


def _programs(notice: Notice, outcome: _Outcome, audiences: Audiences) -> None:
    """Programs keep count of every change."""
    item = item_of(notice)
    tells = audiences.at_first(notice.alert, returned=item.returned).tells
    outcome.tell(item, [tell for tell in tells if not CHANNELS[tell.channel].groups])


def _is_past(notice: Notice, following: Notice) -> bool:
    """Whether the two tell of something that was over long before anybody could know of it."""
    late = notice.occasion == Occasion.RAISED and bool(notice.content.get("retroactive"))
    return late and following.occasion == Occasion.RETURNED and not _was_held(notice)


def _past(notice: Notice, following: Notice, outcome: _Outcome, audiences: Audiences) -> None:
    """People hear once of what was and is over; programs of both."""
    people = [tell for tell in audiences.at_first(notice.alert).tells if CHANNELS[tell.channel].groups]
    outcome.tell(replace(item_of(notice), content=following.content), people)
    for each in (notice, following):
        _programs(each, outcome, audiences)


def _severer(notice: Notice, outcome: _Outcome, audiences: Audiences, known: Set[tuple[str, str]]) -> None:
    """An alert that people were told of has grown: only whom the higher severity newly concerns hears of it, once."""
    audience = audiences.at_first(notice.alert, returned=False)
    new = [
        tell
        for tell in audience.tells
        if not CHANNELS[tell.channel].groups or (tell.channel, tell.recipient) not in known
    ]
    outcome.tell(item_of(notice), new)
    outcome.later += [(notice, step) for step in audience.later]


def _muted(notice: Notice) -> bool:
    """Shelved, in maintenance or out of service by now: recorded, and disturbs nobody."""
    return notice.alert.state in HIDDEN_STATES


def _was_held(notice: Notice) -> bool:
    return notice.due_at - notice.created_at > timedelta(seconds=1)


def _write(outcome: _Outcome, *, grouped: bool, now: datetime) -> int:
    factory = factory_current()
    if factory is None:
        raise RuntimeError("messages are written inside factory_context")
    composed: dict[tuple[str, ...], Content] = {}
    rows: list[Notification] = []
    storm = _storm_thread(outcome, now) if grouped else ("", False)
    for tell, items in outcome.by_place.items():
        channel = CHANNELS[tell.channel]
        together = grouped and channel.groups
        for part in [items] if together else [[item] for item in items]:
            thread = storm[0] if together else f"alert:{part[0].alert}"
            read = [replace(item, units=tell.reader.units) for item in latest_of(part)]
            news = News(items=(), factory=factory, thread=thread, grouped=together, update=storm[1]).of(read)
            known = (tell.channel, *tell.reader.kept().values(), news.key, *(str(item.notice) for item in part))
            if known not in composed:
                with tell.reader.speaking():
                    composed[known] = channel.compose(news)
            rows.append(_row(tell, news, composed[known]))
    Notification.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    inbox_tell_of(rows)
    return len(rows)


def _storm_thread(outcome: _Outcome, now: datetime) -> tuple[str, bool]:
    """The conversation a storm is told in, and whether it goes on already."""
    before = (
        Notification.objects.filter(occasion=Occasion.GROUP, created_at__gte=now - timedelta(seconds=OVER_S))
        .order_by("-created_at")
        .values_list("payload__thread", flat=True)
        .first()
    )
    first = min((item.notice for items in outcome.by_place.values() for item in items), default=0)
    return (str(before), True) if before else (f"storm:{first}", False)


def _row(tell: Tell, news: News, content: Content) -> Notification:
    return message_of(
        tell,
        content,
        key=f"{_key(news)}:{tell.channel}:{tell.recipient}",
        occasion=news.occasion,
        alert=None if news.many else news.first.alert,
        thread=news.thread,
        alerts=[item.alert for item in news.items],
    )


def _key(news: News) -> str:
    return news.key if news.grouped else f"notice:{news.first.notice}"


def _settle(outcome: _Outcome, now: datetime) -> None:
    """Write down what has been done with each notice: in the outbox, in the alerts' timelines, for escalation."""
    told = {notice for notice, tells in outcome.told.items() if tells}
    Notice.objects.filter(pk__in=[notice.pk for notice in outcome.done]).update(routed_at=now)
    Notice.objects.filter(pk__in=told - {notice.pk for notice in outcome.held}).update(told=True)
    Notice.objects.bulk_update(outcome.held, ["due_at"])
    AlertEvent.objects.bulk_create(
        [
            AlertEvent(alert=notice.alert, kind="notified", comment=told_words(outcome.told[notice.pk]))
            for notice in outcome.done
            if outcome.told.get(notice.pk)
        ],
        batch_size=500,
    )
    # Raised anew, or severer: whoever waits for their step already goes on waiting.
    waiting = set(
        Escalation.objects.filter(
            alert__in=[notice.alert_id for notice, _step in outcome.later], state=EscalationState.WAITING
        ).values_list("alert_id", "step_id")
    )
    Escalation.objects.bulk_create(
        [
            Escalation(
                alert=notice.alert,
                step=step,
                key=f"{notice.pk}:{step.pk}",
                due_at=notice.created_at + timedelta(minutes=step.after_min),
            )
            for notice, step in outcome.later
            if notice.occasion == Occasion.RAISED and (notice.alert_id, step.pk) not in waiting
        ],
        ignore_conflicts=True,
    )


def told_words(tells: Sequence[Tell]) -> str:
    """Who was told, for the timeline: “Anna (E-mail, SMS), Maintenance room (Slack)”."""
    ways: dict[str, list[str]] = {}
    for tell in tells:
        word = str(ChannelName(tell.channel).label)
        names = ways.setdefault(tell.name, [])
        if word not in names:
            names.append(word)
    said = [f"{name} ({', '.join(words)})" for name, words in ways.items()]
    text = ", ".join(said[:_NAMED_AT_MOST])
    more = len(said) - _NAMED_AT_MOST
    return text + (" " + _("and %(count)s more") % {"count": more} if more > 0 else "")
