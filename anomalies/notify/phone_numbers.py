"""A person's phone number: nothing but a code is sent to it until its owner has typed that code back."""

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.models import User
from anomalies.models import ChannelName, ContactPreference, Notification, Occasion
from anomalies.notify.directory import Tell
from anomalies.notify.trying import messages_write
from anomalies.notify.twilio_api import TwilioSettings
from common import clock
from common.errors import InvalidInputError, LimitReachedError

CODE_GOOD_FOR = timedelta(minutes=10)
_TRIES = 5
_CODES_A_DAY = 5
# E.164: a plus, a country that begins with no zero, fifteen digits at the most.
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")


class PhoneNumberInvalidError(InvalidInputError):
    """Not a number in international form."""

    code = "phone_number_invalid"


class PhoneUnavailableError(InvalidInputError):
    """The installation has no Twilio account."""

    code = "phone_unavailable"


class PhoneCodeWrongError(InvalidInputError):
    """The code is wrong, used up, or too old."""

    code = "phone_code_wrong"


class PhoneCodesUsedUpError(LimitReachedError):
    """Too many codes in a day."""

    code = "phone_codes_used_up"


def number_normal(text: str) -> str:
    """The number without spaces and brackets. Raises PhoneNumberInvalidError.

    >>> number_normal("+48 (123) 456-789")
    '+48123456789'
    """
    number = re.sub(r"[\s()./-]", "", text)
    if not _NUMBER.fullmatch(number):
        raise PhoneNumberInvalidError(_("Write the number with its country, such as +48 123 456 789."))
    return number


def phone_change(*, person: User, number: str) -> ContactPreference:
    """Take a number and send it a code; the number before is forgotten.

    Raises PhoneNumberInvalidError, PhoneUnavailableError, PhoneCodesUsedUpError.
    """
    phone = number_normal(number)
    account = TwilioSettings.read()
    if account is None or not (account.sms_from or account.whatsapp_from):
        raise PhoneUnavailableError(_("SMS and WhatsApp are not set up at this installation."))
    with transaction.atomic():
        wish, _made = ContactPreference.objects.select_for_update().get_or_create(user=person)
        _codes_check(person, phone)
        code = f"{secrets.randbelow(1_000_000):06}"
        wish.phone, wish.phone_verified_at, wish.code_tries = phone, None, 0
        wish.code_hash, wish.code_expires_at = _hashed(person, phone, code), clock.now() + CODE_GOOD_FOR
        wish.save(update_fields=["phone", "phone_verified_at", "code_tries", "code_hash", "code_expires_at"])
        channel = ChannelName.SMS if account.sms_from else ChannelName.WHATSAPP
        tell = Tell(channel=channel, recipient=phone, name=str(person), user=person.pk, target_key="twilio")
        messages_write(
            [tell],
            occasion=Occasion.CODE,
            subject=_("Confirmation code"),
            text=_("%(code)s is your FactoryPulse code. It is good for 10 minutes.") % {"code": code},
        )
    return wish


def phone_confirm(*, person: User, code: str) -> None:
    """The person typed the code back: messages may be sent. Raises PhoneCodeWrongError."""
    with transaction.atomic():
        wish = ContactPreference.objects.select_for_update().filter(user=person).first()
        right = wish is not None and _right(wish, person, code)
        if wish is not None and right:
            wish.phone_verified_at, wish.code_hash, wish.sms = clock.now(), "", True
            wish.save(update_fields=["phone_verified_at", "code_hash", "sms"])
            audit_record(actor=person, action="phone.confirm", target=f"…{wish.phone[-3:]}")
        elif wish is not None:
            ContactPreference.objects.filter(user=person).update(code_tries=wish.code_tries + 1)
    # Outside, so that the wrong try is counted.
    if not right:
        raise PhoneCodeWrongError(_("This is not the code, or it is too old. Ask for a new one."))


def phone_remove(*, person: User) -> None:
    """Forget the number."""
    ContactPreference.objects.filter(user=person).update(
        phone="", phone_verified_at=None, code_hash="", sms=False, whatsapp=False
    )


def _codes_check(person: User, phone: str) -> None:
    day = Notification.objects.filter(occasion=Occasion.CODE, created_at__gte=clock.now() - timedelta(days=1))
    if day.filter(user=person).count() >= _CODES_A_DAY or day.filter(recipient=phone).count() >= _CODES_A_DAY:
        raise PhoneCodesUsedUpError(_("Enough codes for today; try again tomorrow."))


def _right(wish: ContactPreference, person: User, code: str) -> bool:
    if not wish.code_hash or wish.code_tries >= _TRIES:
        return False
    if wish.code_expires_at is None or wish.code_expires_at < clock.now():
        return False
    return hmac.compare_digest(wish.code_hash, _hashed(person, wish.phone, code.strip()))


def _hashed(person: User, phone: str, code: str) -> str:
    """Six digits are guessed from a plain hash in no time, so the installation's secret is in it."""
    text = f"{person.pk}/{phone}/{code}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), text, hashlib.sha256).hexdigest()
