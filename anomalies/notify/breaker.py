"""A circuit breaker for each place that messages go to: one in trouble is left alone for a while.

Messages for it wait without using up their attempts, and those for other places go on.
"""

import random
from datetime import datetime, timedelta

from django.db.models import F

from anomalies.models import TargetHealth
from common import clock

OPENS_AFTER = 3
_FIRST_PAUSE_S = 30.0
_LONGEST_PAUSE_S = 900.0


def keys_paused() -> list[str]:
    """The places that are left alone now."""
    return list(TargetHealth.objects.filter(open_until__gt=clock.now()).values_list("key", flat=True))


def target_answered(key: str) -> None:
    """It took a message: whatever went wrong before is over."""
    changed = TargetHealth.objects.filter(key=key).update(failures=0, open_until=None, last_ok_at=clock.now())
    if not changed:
        TargetHealth.objects.get_or_create(key=key, defaults={"last_ok_at": clock.now()})


def target_failed(key: str, error: str) -> datetime | None:
    """It did not: counted, and from the third time in a row on it is paused, longer each time. Until when, if so."""
    now = clock.now()
    TargetHealth.objects.get_or_create(key=key)
    TargetHealth.objects.filter(key=key).update(failures=F("failures") + 1, last_failed_at=now, last_error=error[:300])
    health = TargetHealth.objects.get(key=key)
    if health.failures < OPENS_AFTER:
        return None
    pause_s = min(_FIRST_PAUSE_S * 2 ** min(health.failures - OPENS_AFTER, 10), _LONGEST_PAUSE_S)
    # Not all workers of all nodes at the same second.
    until = now + timedelta(seconds=pause_s * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
    TargetHealth.objects.filter(key=key).update(open_until=until)
    return until


def target_resume(key: str) -> None:
    """A person says it works again: the next message is tried at once."""
    TargetHealth.objects.filter(key=key).update(failures=0, open_until=None)
