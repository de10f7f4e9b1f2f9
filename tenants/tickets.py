"""Short-lived proofs that let a program without cookies open a socket: `?ticket=`."""

from typing import Any

from django.core import signing

_SALT = "factorypulse.socket-ticket"
LIFETIME_S = 60


def ticket_make(*, factory: str, user_id: int, proof: str) -> str:
    """A signed ticket for one person of one factory. proof: changes when the person's password does."""
    return signing.dumps({"f": factory, "u": user_id, "p": proof}, salt=_SALT, compress=True)


def ticket_read(raw: str) -> tuple[str, int, str] | None:
    """(factory, user id, proof) of a ticket that is ours and younger than a minute; otherwise None."""
    try:
        content: Any = signing.loads(raw, salt=_SALT, max_age=LIFETIME_S)
        return str(content["f"]), int(content["u"]), str(content["p"])
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        return None
