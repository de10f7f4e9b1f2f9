"""Secrets of targets at rest: sealed with a key made from SECRET_KEY, so that a dump of the database opens nothing."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from common.errors import DomainError


class SealBrokenError(DomainError):
    """What was sealed can't be read: neither SECRET_KEY nor one of SECRET_KEY_FALLBACKS sealed it."""

    code = "seal_broken"


def seal(text: str) -> str:
    """The text, unreadable without SECRET_KEY."""
    return _fernets().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The text that was sealed. Raises SealBrokenError."""
    try:
        return _fernets().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBrokenError("This was sealed with another SECRET_KEY; enter it again.") from error


def seal_anew(sealed: str) -> str:
    """The same text, sealed by the SECRET_KEY of now. Raises SealBrokenError."""
    return seal(unseal(sealed)) if sealed else ""


def _fernets() -> MultiFernet:
    """The first seals; all of them open."""
    return MultiFernet([_fernet(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache(maxsize=8)
def _fernet(secret: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"factorypulse.notify").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
