"""Machines that say nothing: an alert of its own, never a healthy score."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import transaction

from anomalies.alerts.opening import SILENCE, Finding, alert_raise, alert_return
from anomalies.alerts.sentences import silence_summary, silence_title
from anomalies.alerts.words import words_say
from anomalies.health import health_publish
from anomalies.models import Alert, AlertState, HealthStatus, MachineHealth, Severity
from common import clock
from common.times import from_ms, to_ms
from telemetry.equipment import machine_state
from telemetry.history.spans import machine_zone
from telemetry.models import Machine

# Since when we have been listening without a pause, and when we looked last. After a stand-still of the platform (the
# key expires) or a step of its clock everybody gets their time to report again: nobody is blamed for our absence.
_LISTENING_KEY, _LOOKED_KEY = "silence.listening_since_ms", "silence.looked_ms"
_PAUSE_S = 60
_TOGETHER = 500


def silence_watch(machines: Iterable[Machine]) -> None:
    """Raise an alert for each machine that has fallen silent, and return those that are heard again."""
    now = clock.now()
    listening_since = _listening_since(now)
    # Shelved and suppressed ones are told off too; one that chatters has returned and is only held.
    told = Alert.objects.filter(cause=SILENCE, returned_at__isnull=True).exclude(state=AlertState.NORMAL)
    open_for = set(told.values_list("machine_id", flat=True))
    heard = [machine for machine in machines if machine.last_seen_at is not None]
    for start in range(0, len(heard), _TOGETHER):
        # In one transaction, so that machines that fall silent together are a group before anybody is told.
        with transaction.atomic():
            for machine in heard[start : start + _TOGETHER]:
                _look_at(machine, now, listening_since, is_new=machine.pk not in open_for)


def _look_at(machine: Machine, now: datetime, listening_since: datetime, *, is_new: bool) -> None:
    last_seen_at = machine.last_seen_at
    if last_seen_at is None:
        return
    if machine_state(machine, now) != "silent":
        if not is_new:
            alert_return(machine=machine, cause=SILENCE, at=last_seen_at)
    elif now - max(last_seen_at, listening_since) > timedelta(seconds=machine.silent_after_s):
        _fell_silent(machine, last_seen_at, now, is_new=is_new)


def _listening_since(now: datetime) -> datetime:
    now_ms = to_ms(now)
    kept = cache.get_many((_LISTENING_KEY, _LOOKED_KEY))
    since_ms, looked_ms = int(kept.get(_LISTENING_KEY, now_ms)), int(kept.get(_LOOKED_KEY, now_ms))
    if not 0 <= now_ms - looked_ms <= _PAUSE_S * 1000:
        since_ms = now_ms
    cache.set_many({_LISTENING_KEY: since_ms, _LOOKED_KEY: now_ms}, timeout=_PAUSE_S)
    return from_ms(since_ms)


def _fell_silent(machine: Machine, last_seen_at: datetime, now: datetime, *, is_new: bool) -> None:
    if is_new:
        silent_s, zone = (now - last_seen_at).total_seconds(), machine_zone(machine)
        words = words_say(
            lambda: (silence_title(), silence_summary(silent_s=silent_s, since_at=last_seen_at, zone=zone)),
        )
        alert_raise(
            Finding(
                machine=machine,
                cause=SILENCE,
                severity=Severity.MEDIUM,
                title=words.title,
                summary=words.summary,
                since_at=last_seen_at,
                evidence=words.evidence,
            )
        )
    changed = (
        MachineHealth.objects.filter(machine=machine)
        .exclude(status=HealthStatus.NO_DATA)
        .update(status=HealthStatus.NO_DATA, score=None, health_percent=None)
    )
    if changed:
        health_publish(machine, MachineHealth.objects.get(machine=machine))
