"""What platform staff learns when this node can't take readings: a sentence in its admin, a mail at each end of it.

The drain looks, because there is one a node and it owns the journal. Mails go from here and not through a task: with
the disk full, Valkey on the same disk may not take one either.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from smtplib import SMTPException

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db import Error as DatabaseError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django_tenants.utils import get_public_schema_name, schema_context

from common import clock
from telemetry.ingest import journal_full
from telemetry.ingest.journal import DEFAULT_RESERVE_BYTES, Journal, JournalError

_log = structlog.get_logger(__name__)
# Small bodies may still fit where large ones don't: room has to last before it is told.
OVER_AFTER_S = 120.0
_AGAIN_AFTER_S = 60.0


class FullWatch:
    """Tells staff once that readings are turned away, and once that they are taken again. For one thread.

    now_s: a clock that never goes back.
    """

    def __init__(self, journal: Journal, *, now_s: Callable[[], float] = clock.monotonic_s) -> None:
        self._now_s = now_s
        self._journal = journal
        self._directory = journal.directory
        self._room_since_s: float | None = None
        self._not_before_s = float("-inf")

    def look(self) -> None:
        """Call it every few seconds."""
        since, told = journal_full.full_since(self._directory), journal_full.told_since(self._directory)
        if since is not None and self._has_room():
            # Who is turned away may not send again for long, and a node that is not ready is sent nothing.
            journal_full.note_remove(self._directory)
            since = None
        if since is not None:
            self._room_since_s = None
            if told is None:
                self._tell_begin(since)
        elif told is not None:
            self._look_for_the_end(told)

    def _has_room(self) -> bool:
        try:
            return self._journal.has_room()
        except (JournalError, OSError):
            return False

    def _tell_begin(self, since: datetime) -> None:
        text = _(
            "%(what)s\n\nNothing is acknowledged meanwhile: HTTP answers 507, MQTT connections are closed, and devices "
            "send again later. What was acknowledged is safe. It goes on by itself once there is room; free some on "
            "the disk of %(directory)s, or look why the reading store does not take what waits there."
        ) % {"what": full_sentence(self._directory), "directory": self._directory}
        if self._mail(_("A FactoryPulse node can't take readings"), text):
            journal_full.told_leave(self._directory, since)

    def _look_for_the_end(self, since: datetime) -> None:
        if self._room_since_s is None:
            self._room_since_s = self._now_s()
        if self._now_s() - self._room_since_s < OVER_AFTER_S:
            return
        text = _("The node that could take none since %(since)s takes readings again.") % {"since": _time(since)}
        if self._mail(_("A FactoryPulse node takes readings again"), text):
            journal_full.told_remove(self._directory)
            self._room_since_s = None

    def _mail(self, subject: str, text: str) -> bool:
        """Whether it was sent, or there is nobody to send it to; what fails is tried again a minute later."""
        if self._now_s() < self._not_before_s:
            return False
        try:
            staff = _staff()
            if staff:
                send_mail(subject, text + "\n", settings.SERVER_EMAIL, staff)
        except (DatabaseError, SMTPException, OSError) as error:
            self._not_before_s = self._now_s() + _AGAIN_AFTER_S
            _log.warning("staff_not_told", subject=subject, error=str(error))
            return False
        _log.info("staff_told", subject=subject, people=len(staff))
        return True


def full_sentence(directory: Path) -> str:
    """What staff reads while this node turns readings away; empty when it takes them."""
    since = journal_full.full_since(directory)
    if since is None:
        return ""
    if journal_full.disk_has_room(directory, reserve_bytes=DEFAULT_RESERVE_BYTES):
        return _("This node can't take readings: its journal is full since %(since)s.") % {"since": _time(since)}
    return _("This node can't take readings: its disk is full since %(since)s.") % {"since": _time(since)}


def _time(at: datetime) -> str:
    return date_format(timezone.localtime(at, timezone.get_default_timezone()), "DATETIME_FORMAT")


def _staff() -> list[str]:
    with schema_context(get_public_schema_name()):
        people = get_user_model().objects.filter(is_staff=True, is_active=True).exclude(email="")
        return list(people.order_by("email").values_list("email", flat=True))
