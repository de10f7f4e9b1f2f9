"""Links that open the wall without signing in: for a hall's screen, for a time, for some sites or lines, and view-only.

Behind each link stands an account that is nobody's: it has no password and no mail, is in no list of people, and
`WallOnlyMiddleware` lets it see the wall alone. So reach, sockets and isolation are those of people. Only the hash of
a link's token is kept.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.mail import factory_link
from accounts.models import Role, User, WallLink
from accounts.people import person_sockets_close
from accounts.reach import Reach, reach_checked
from accounts.sessions import sessions_end
from common import clock
from common.errors import DomainError, InvalidInputError, LimitReachedError, NotFoundError

DAYS = (1, 30, 90, 365)
MOST = 50


class WallLinkNotFoundError(NotFoundError):
    """No link has this token or id."""

    code = "wall_link_not_found"


class WallLinkOverError(DomainError):
    """The link was good once: it has expired or was revoked."""

    status = 410
    code = "wall_link_over"


class WallLinkBackend(BaseBackend):
    """Finds the account behind a link for the session that the link opened; signs nobody in by itself."""

    def get_user(self, user_id: Any) -> User | None:
        good = Q(wall_link__revoked_at=None, wall_link__expires_at__gt=clock.now())
        return User.everybody.filter(good, pk=user_id, is_active=True, wall_only=True).first()


@transaction.atomic
def wall_link_make(*, actor: User, name: str, days: int, reach: Reach | None) -> tuple[WallLink, str]:
    """A new link and its address, which is shown this once.

    Raises InvalidInputError for no name or another time than DAYS, ReachInvalidError, and LimitReachedError.
    """
    if not name.strip() or days not in DAYS:
        raise InvalidInputError(_("Say where the screen hangs, and for how long the link is good."))
    if wall_links_open().count() >= MOST:
        raise LimitReachedError(_("A factory has %(number)s such links at most. Revoke one first.") % {"number": MOST})
    checked = reach_checked(reach.to_store() if reach is not None else None)
    token = secrets.token_urlsafe(32)
    stored = checked.to_store() if checked is not None else None
    user = User(email=f"wall-{secrets.token_hex(8)}@invalid", first_name=name.strip()[:80], role=Role.VIEWER)
    user.wall_only, user.reach = True, stored
    user.set_unusable_password()
    user.save()
    expires_at = clock.now() + timedelta(days=days)
    link = WallLink.objects.create(
        name=name.strip()[:80], user=user, token_hash=_hash(token), created_by=actor, expires_at=expires_at
    )
    audit_record(
        actor=actor, action="wall_link.made", target=link.name, expires_at=expires_at.isoformat(), reach=stored
    )
    return link, factory_link("wall_by_link", token)


def wall_links_open() -> Any:
    """Those that are good now, the newest first."""
    return WallLink.objects.filter(revoked_at=None, expires_at__gt=clock.now())


def wall_link_enter(token: str) -> WallLink:
    """The link of this token, good now; that it was used is noted. Raises WallLinkNotFoundError, WallLinkOverError."""
    link = WallLink.objects.select_related("user").filter(token_hash=_hash(token)).first()
    if link is None:
        raise WallLinkNotFoundError(_("There is no such link."))
    if link.revoked_at is not None or link.expires_at <= clock.now():
        raise WallLinkOverError(_("This link has ended. Ask an admin of your factory for a new one."))
    link.used_at = clock.now()
    link.save(update_fields=["used_at"])
    return link


@transaction.atomic
def wall_link_revoke(*, actor: User, link_id: int) -> WallLink:
    """End a link: its screens are shut out at once. Raises WallLinkNotFoundError."""
    link = WallLink.objects.select_related("user").filter(pk=link_id, revoked_at=None).first()
    if link is None:
        raise WallLinkNotFoundError(_("There is no such link."))
    link.revoked_at = clock.now()
    link.save(update_fields=["revoked_at"])
    audit_record(actor=actor, action="wall_link.revoked", target=link.name)
    _shut_out(link)
    return link


def wall_links_expire() -> int:
    """Shut out the screens of links whose time is over; how many links."""
    over = list(WallLink.objects.select_related("user").filter(expires_at__lte=clock.now(), user__is_active=True))
    for link in over:
        _shut_out(link)
    return len(over)


def _shut_out(link: WallLink) -> None:
    link.user.is_active = False
    link.user.save(update_fields=["is_active"])
    sessions_end(link.user)
    transaction.on_commit(lambda: person_sockets_close(link.user))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
