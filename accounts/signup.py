"""From a visitor to a factory with an owner: all of it, or nothing."""

import re
import secrets
import unicodedata
from contextlib import ExitStack
from typing import NamedTuple

from allauth.account.models import EmailAddress, EmailConfirmation
from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.models import Role, User
from common.errors import DomainError, LimitReachedError, NotPermittedError
from tenants.addresses import factory_url
from tenants.context import factory_context
from tenants.models import Factory
from tenants.provisioning import factory_create, factory_delete

SIGNUPS_PER_HOUR = 20  # for one network address
SIGNUPS_PER_EMAIL = 5  # an hour, so that nobody fills a stranger's mailbox
HANDOVER_SECONDS = 120
# The same letters as in static/js/modules/signup.js.
_LETTERS = {"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "đ": "d", "ð": "d", "þ": "th"}
_HANDOVER_SALT = "accounts.signup.handover"


class SignupLimitError(LimitReachedError):
    """Too many factories from one place."""

    code = "signup_limit_reached"


class ConfirmationMailError(DomainError):
    """The mail server did not take the confirmation mail, so nothing was made."""

    code = "confirmation_mail_failed"
    status = 503


class HandoverError(NotPermittedError):
    """The way from sign-up to the factory was used, is too old, or belongs to another factory."""

    code = "handover_invalid"


class SignedUp(NamedTuple):
    """What a sign-up made."""

    factory: Factory
    owner: User


def address_suggest(name: str) -> str:
    """An address made from a factory's name.

    >>> address_suggest("Młyn Północ 2 sp. z o.o.")
    'mlyn-polnoc-2-sp-z-o-o'
    """
    # NFKD leaves a stroked letter alone, and Polish and Danish names are full of them.
    plain = "".join(_LETTERS.get(sign, sign) for sign in name.lower())
    ascii_name = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-").lstrip("0123456789-")[:40].rstrip("-")


def signup_admit(*, network_address: str, email: str) -> None:
    """Count one attempt. Raises SignupLimitError when there were too many within an hour."""
    for key, limit in (
        (f"signup:from:{network_address}", SIGNUPS_PER_HOUR),
        (f"signup:to:{email.lower()}", SIGNUPS_PER_EMAIL),
    ):
        cache.add(key, 0, timeout=3600)
        if cache.incr(key) > limit:
            raise SignupLimitError(_("Too many sign-ups from here. Please try again in an hour."))


def factory_signup(*, name: str, slug: str, email: str, password: str, time_zone: str) -> SignedUp:
    """Make the factory, its owner and the confirmation mail.

    Raises the address errors of `tenants.provisioning` and ConfirmationMailError; whatever is raised, nothing that
    was made stays.
    """
    factory = factory_create(slug=slug, name=name, time_zone=time_zone)
    with ExitStack() as undo:
        undo.callback(factory_delete, factory)
        with factory_context(factory), transaction.atomic():
            owner = _owner_create(email=email, password=password)
            _confirmation_send(owner)
        undo.pop_all()
    return SignedUp(factory, owner)


def _owner_create(*, email: str, password: str) -> User:
    owner = User.objects.create_user(email.lower(), password, role=Role.OWNER)
    EmailAddress.objects.create(user=owner, email=owner.email, primary=True, verified=False)
    audit_record(actor=owner, action="factory.created", target=owner.email)
    return owner


def _confirmation_send(owner: User) -> None:
    confirmation = EmailConfirmation.create(EmailAddress.objects.get(user=owner, primary=True))
    try:
        confirmation.send(signup=True)
    except OSError as error:
        raise ConfirmationMailError(
            _("We could not send the confirmation mail, so nothing was made. Please check the address and try again.")
        ) from error


def handover_url(signed_up: SignedUp) -> str:
    """Where the browser goes from the public site, so that the factory's host knows it as the one that signed up.

    The link works once, for two minutes; it signs nobody in before the e-mail address is confirmed.
    """
    token = signing.dumps(
        {"factory": signed_up.factory.slug, "user": signed_up.owner.pk, "once": secrets.token_urlsafe(12)},
        salt=_HANDOVER_SALT,
    )
    return factory_url(signed_up.factory, reverse("signup_handover", args=[token], urlconf=settings.ROOT_URLCONF))


def handover_redeem(token: str, *, factory: Factory) -> User:
    """The owner whom the hand-over names. Runs inside the factory. Raises HandoverError."""
    refusal = HandoverError(_("This link has been used or has expired."))
    try:
        claim = signing.loads(token, salt=_HANDOVER_SALT, max_age=HANDOVER_SECONDS)
    except signing.BadSignature as error:
        raise refusal from error
    if claim["factory"] != factory.slug or not cache.add(f"handover:{claim['once']}", 1, timeout=HANDOVER_SECONDS * 2):
        raise refusal
    owner = User.objects.filter(pk=claim["user"], role=Role.OWNER, is_active=True).first()
    if owner is None or EmailAddress.objects.filter(user=owner, verified=True).exists():
        raise refusal
    return owner
