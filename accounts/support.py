"""Help from platform staff: only by an owner's leave, for a time, as a viewer, and written down."""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.models import Role, SupportGrant, User
from accounts.people import person_sockets_close
from accounts.sessions import sessions_end
from common import clock
from common.errors import InvalidInputError, NotFoundError, NotPermittedError
from tenants.addresses import factory_url
from tenants.context import factory_context
from tenants.models import Factory

LONGEST = timedelta(hours=72)
_HANDOVER_S = 60
_SALT = "accounts.support.handover"


class SupportNotGrantedError(NotPermittedError):
    """No owner of the factory has asked for help now, or the way in was used or is too old."""

    code = "support_not_granted"


class SupportGrantNotFoundError(NotFoundError):
    """No grant of that id in this factory."""

    code = "support_grant_not_found"


def support_user_email() -> str:
    """The address under which staff looks into a factory; no mail goes there."""
    return f"support@{settings.DOMAIN_HOST}"


def support_grants_open() -> list[SupportGrant]:
    """What is granted now in the current factory."""
    return list(SupportGrant.objects.filter(revoked_at=None, until_at__gt=clock.now()))


@transaction.atomic
def support_grant(*, actor: User, reason: str, lasting: timedelta) -> SupportGrant:
    """Let staff look into the factory as a viewer, for up to 72 hours. Raises InvalidInputError."""
    if not timedelta(0) < lasting <= LONGEST or not reason.strip():
        raise InvalidInputError(_("Say what for, and for how long: up to 72 hours."))
    until_at = clock.now() + lasting
    grant = SupportGrant.objects.create(reason=reason.strip()[:200], granted_by=actor, until_at=until_at)
    audit_record(actor=actor, action="support.granted", target=grant.reason, until_at=until_at.isoformat())
    return grant


@transaction.atomic
def support_revoke(*, actor: User, grant_id: int) -> None:
    """End it at once: whoever of staff is in is out. Raises SupportGrantNotFoundError."""
    grant = SupportGrant.objects.filter(pk=grant_id, revoked_at=None).first()
    if grant is None:
        raise SupportGrantNotFoundError(_("There is no such grant."))
    grant.revoked_at = clock.now()
    grant.save(update_fields=["revoked_at"])
    audit_record(actor=actor, action="support.ended", target=grant.reason)
    support_expire()


def support_expire() -> None:
    """Shut staff out of the current factory, with what they watch, unless a grant is open."""
    if support_grants_open():
        return
    for user in User.objects.filter(email=support_user_email(), is_active=True):
        user.is_active = False
        user.save(update_fields=["is_active"])
        sessions_end(user)
        person_sockets_close(user)


def support_handover_url(*, factory: Factory, staff_email: str) -> str:
    """Where a member of staff goes on to, once and within a minute. Raises SupportNotGrantedError."""
    with factory_context(factory):
        if not support_grants_open():
            raise SupportNotGrantedError(_("No owner of this factory has asked for help."))
    token = signing.dumps({"factory": factory.slug, "staff": staff_email}, salt=_SALT)
    return factory_url(factory, reverse("support_enter", args=[token], urlconf=settings.ROOT_URLCONF))


@transaction.atomic
def support_enter(token: str, *, factory: Factory) -> tuple[User, SupportGrant]:
    """The viewer as whom staff looks, and the grant that allows it; inside the factory.

    Raises SupportNotGrantedError.
    """
    refusal = SupportNotGrantedError(_("This way in was used, is too old, or no owner has asked for help."))
    try:
        claim = signing.loads(token, salt=_SALT, max_age=_HANDOVER_S)
    except signing.BadSignature as error:
        raise refusal from error
    grants = support_grants_open()
    if claim["factory"] != factory.slug or not grants or not cache.add(f"support:{token}", 1, timeout=_HANDOVER_S * 2):
        raise refusal
    grant = max(grants, key=lambda one: one.until_at)
    user = User.objects.filter(email=support_user_email()).first() or User.objects.create_user(support_user_email())
    # Whatever somebody gave the account since: staff looks, and no more.
    user.role, user.custom_role, user.extra_actions, user.reach = Role.VIEWER, None, [], None
    user.is_active, user.first_name, user.last_name = True, "FactoryPulse", "Support"
    user.save()
    audit_record(actor=f"staff {claim['staff']}", action="support.entered", target=grant.reason)
    return user, grant
