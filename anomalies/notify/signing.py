"""Signatures of webhooks after the Standard Webhooks specification (standardwebhooks.com), for which libraries exist.

`webhook-signature: v1,<base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>">`, one for each valid secret, separated by
spaces. Pure.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"


def secret_make() -> str:
    """A new secret of 256 random bits, as the receiver's library takes it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature_headers(body: bytes, *, delivery_id: str, at_s: int, secrets_valid: Sequence[str]) -> dict[str, str]:
    """The three headers of a delivery; secrets_valid: the newest first.

    >>> headers = signature_headers(
    ...     b'{"test": 2432232314}', delivery_id="msg_p5jXN8AQM9LWM0D4loKWxJek", at_s=1614265330,
    ...     secrets_valid=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    >>> headers["webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{delivery_id}.{at_s}.".encode() + body
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets_valid),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
