"""What a person has open: listed, and ended, singly or all at once. Browsers; programs end with the person's tokens."""

import re

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.audit import audit_record
from accounts.models import User
from common.errors import NotFoundError

# Most browsers name their ancestors as well, so the more particular stands first.
_BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|Chromium/|CriOS/"),
    ("Safari", r"Safari/"),
)
_SYSTEMS = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("macOS", r"Macintosh|Mac OS X"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux|X11"),
)


class SessionNotFoundError(NotFoundError):
    """The person has no session of that id."""

    code = "session_not_found"


def device_named(user_agent: str) -> str:
    """What people call the browser that sent this header; unknown ones by the beginning of what they say.

    >>> device_named("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130")
    'Edge, Windows'
    >>> device_named("curl/8.5.0")
    'curl/8.5.0'
    """
    browser = next((name for name, sign in _BROWSERS if re.search(sign, user_agent)), "")
    system = next((name for name, sign in _SYSTEMS if re.search(sign, user_agent)), "")
    return ", ".join(part for part in (browser, system) if part) or user_agent[:40] or "–"


def sessions_of(person: User) -> list[UserSession]:
    """Where somebody is signed in, the last used first; what has run out since is forgotten here."""
    sessions: list[UserSession] = UserSession.objects.purge_and_list(person)
    return sorted(sessions, key=lambda session: session.last_seen_at, reverse=True)


@transaction.atomic
def session_end(*, actor: User, session_id: int) -> None:
    """End one session of one's own; its sockets are closed with it. Raises SessionNotFoundError."""
    session = UserSession.objects.filter(pk=session_id, user=actor).first()
    if session is None:
        raise SessionNotFoundError(_("You have no such session."))
    session.end()
    audit_record(actor=actor, action="session.ended", target=device_named(session.user_agent), ended_address=session.ip)


def sessions_end(person: User) -> None:
    """End every session of a person; none comes back when they are let in again."""
    for session in UserSession.objects.filter(user=person):
        session.end()
    ended = [BlacklistedToken(token=token) for token in OutstandingToken.objects.filter(user=person)]
    BlacklistedToken.objects.bulk_create(ended, ignore_conflicts=True)
