"""Offers to join the factory: by e-mail, for 48 hours, used once, whoever clicks how often."""

import hashlib
import secrets
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.access import Access
from accounts.audit import audit_record
from accounts.mail import factory_link, mail_send
from accounts.models import Invitation, User
from accounts.people import actions_check, people_limit_check, people_wait, person_rename
from common import clock
from common.errors import ConflictError, DomainError, NotFoundError

VALID_FOR = timedelta(hours=48)


class InvitationNotFoundError(NotFoundError):
    """No invitation has this token."""

    code = "invitation_not_found"


class InvitationGoneError(DomainError):
    """The invitation was good once."""

    status = 410


class InvitationExpiredError(InvitationGoneError):
    """Its 48 hours are over."""

    code = "invitation_expired"


class InvitationUsedError(InvitationGoneError):
    """Somebody has accepted it."""

    code = "invitation_used"


class InvitationRevokedError(InvitationGoneError):
    """It was taken back."""

    code = "invitation_revoked"


class AlreadyHereError(ConflictError):
    """The address belongs to a person of this factory, or is invited already."""

    code = "already_here"


class InvitationMailError(DomainError):
    """The mail server did not take the invitation, so it was not made."""

    code = "invitation_mail_failed"
    status = 503


def invitations_pending() -> list[Invitation]:
    """Invitations that can still be accepted, or whose time is over and that may be sent again; newest first."""
    return list(
        Invitation.objects.filter(accepted_at=None, revoked_at=None)
        .select_related("invited_by", "custom_role")
        .order_by("-created_at")
    )


def invitation_get(invitation_id: int) -> Invitation:
    """The invitation of this factory. Raises InvitationNotFoundError."""
    invitation = Invitation.objects.filter(pk=invitation_id).first()
    if invitation is None:
        raise InvitationNotFoundError(_("There is no such invitation."))
    return invitation


@transaction.atomic
def invitation_create(*, actor: User, email: str, access: Access | str) -> Invitation:
    """Invite an address and send the mail. access: what the person will have; a role's name is enough.

    Raises RoleTooHighError, AlreadyHereError, PeopleLimitError, AccessInvalidError, InvitationMailError.
    """
    offered = Access(access) if isinstance(access, str) else access
    offered.check()
    actions_check(actor, (offered.role, offered.actions))
    address = email.strip().lower()
    people_wait()
    if User.objects.filter(email__iexact=address).exists():
        raise AlreadyHereError(_("This address belongs to a person of this factory already."))
    if Invitation.objects.filter(email=address, accepted_at=None, revoked_at=None).exists():
        raise AlreadyHereError(_("This address has been invited already: send that invitation again, or revoke it."))
    people_limit_check()
    token = secrets.token_urlsafe(32)
    invitation = Invitation(
        email=address, token_hash=_hash(token), invited_by=actor, expires_at=clock.now() + VALID_FOR
    )
    offered.apply(invitation)
    invitation.save()
    audit_record(actor=actor, action="invitation.sent", target=address, after=offered.to_audit())
    _mail(invitation, token)
    return invitation


@transaction.atomic
def invitation_resend(*, actor: User, invitation: Invitation) -> Invitation:
    """Send it again, with a new link and new 48 hours; the old link dies.

    Raises InvitationGoneError, PeopleLimitError, InvitationMailError.
    """
    actions_check(actor, (invitation.role, Access.of(invitation).actions))
    if invitation.expires_at <= clock.now():
        people_limit_check()  # its place was free for somebody else since
    token = secrets.token_urlsafe(32)
    changed = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None).update(
        token_hash=_hash(token), expires_at=clock.now() + VALID_FOR
    )
    invitation.refresh_from_db()
    if not changed:
        _refuse(invitation)
    audit_record(actor=actor, action="invitation.sent_again", target=invitation.email)
    _mail(invitation, token)
    return invitation


@transaction.atomic
def invitation_revoke(*, actor: User, invitation: Invitation) -> None:
    """Take it back. Raises InvitationGoneError when it was used in the meantime."""
    actions_check(actor, (invitation.role, Access.of(invitation).actions))
    changed = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None).update(
        revoked_at=clock.now()
    )
    if not changed:
        invitation.refresh_from_db()
        _refuse(invitation)
    audit_record(actor=actor, action="invitation.revoked", target=invitation.email)


def invitation_for(token: str) -> Invitation:
    """The invitation that can be accepted with this token.

    Raises InvitationNotFoundError, InvitationUsedError, InvitationRevokedError, InvitationExpiredError.
    """
    invitation = Invitation.objects.select_related("invited_by").filter(token_hash=_hash(token)).first()
    if invitation is None:
        raise InvitationNotFoundError(_("This invitation does not exist. A newer one may be in your mailbox."))
    if invitation.accepted_at or invitation.revoked_at or invitation.expires_at <= clock.now():
        _refuse(invitation)
    return invitation


def invitation_accept(*, token: str, name: str, password: str) -> User:
    """Make the person whom the invitation names, with a confirmed address.

    However many ask at once, one succeeds; the others get InvitationUsedError. Raises as `invitation_for`.
    """
    invitation = invitation_for(token)
    try:
        with transaction.atomic():
            return _accept(invitation, name=name, password=password)
    except IntegrityError as error:
        raise AlreadyHereError(_("This address belongs to a person of this factory already.")) from error


def _accept(invitation: Invitation, *, name: str, password: str) -> User:
    # The condition is in the UPDATE, so that of two that read the invitation as good, one changes the row.
    taken = Invitation.objects.filter(
        pk=invitation.pk, accepted_at=None, revoked_at=None, expires_at__gt=clock.now()
    ).update(accepted_at=clock.now())
    if not taken:
        invitation.refresh_from_db()
        _refuse(invitation)
    person = User.objects.create_user(
        invitation.email, password, role=invitation.role, custom_role=invitation.custom_role, reach=invitation.reach
    )
    person = person_rename(person=person, name=name)
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
    audit_record(actor=person, action="invitation.accepted", target=person.email, role=person.role)
    return person


def _refuse(invitation: Invitation) -> None:
    """Raise the reason why it can't be used."""
    if invitation.accepted_at:
        raise InvitationUsedError(_("This invitation has been used. Sign in with the password you chose then."))
    if invitation.revoked_at:
        raise InvitationRevokedError(_("This invitation was taken back. Ask an admin of the factory for another."))
    raise InvitationExpiredError(
        _("This invitation has expired: each is good for 48 hours. Ask an admin of the factory to send it again.")
    )


def _mail(invitation: Invitation, token: str) -> None:
    context = {"invitation": invitation, "accept_url": factory_link("invitation_accept", token)}
    try:
        mail_send("email/invitation", to=invitation.email, context=context)
    except OSError as error:
        raise InvitationMailError(_("The mail server did not take the invitation; nothing was sent.")) from error


def _hash(token: str) -> str:
    # A plain hash is enough for 256 random bits.
    return hashlib.sha256(token.encode()).hexdigest()
