"""Secrets of targets at rest: sealed with a key made from SECRET_KEY, so that a dump of the database opens nothing."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from common.errors import DomainError


class SealBrokenError(DomainError):
    """What was sealed can't be read: SECRET_KEY is another one now."""

    code = "seal_broken"


def seal(text: str) -> str:
    """The text, unreadable without SECRET_KEY."""
    return _fernet(settings.SECRET_KEY).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The text that was sealed. Raises SealBrokenError."""
    try:
        return _fernet(settings.SECRET_KEY).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBrokenError("This was sealed with another SECRET_KEY; enter it again.") from error


@lru_cache(maxsize=2)
def _fernet(secret: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"factorypulse.notify").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
