"""Passwords that were found in other people's broken houses: none of them is let in where the operator can tell.

Two sources, either or both: the downloaded list (Have I Been Pwned, “ordered by hash”: SHA-1 in capitals, a colon, how
often, line by line), for plants without a way out; and the range service, which hears five of forty digits of the hash.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import requests
import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

_log = structlog.get_logger(__name__)
_DIGITS = 40
_WAIT_S = 3.0
_LINE_MOST = 64


class BreachedPasswordValidator:
    """Refuses a password of `BREACHED_PASSWORDS_LIST`, or known to `BREACHED_PASSWORDS_URL`, where these are set."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises ValidationError. A service that is away keeps nobody from choosing a password; that is logged."""
        # SHA-1 is the list's own; nothing is protected by it here.
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        if _in_file(settings.BREACHED_PASSWORDS_LIST, digest) or _in_service(settings.BREACHED_PASSWORDS_URL, digest):
            raise ValidationError(
                _("This password is in lists of stolen ones, which are tried first. Choose another."),
                code="password_breached",
            )

    def get_help_text(self) -> str:
        """What the framework shows beside a field."""
        return _("None that was stolen elsewhere.")


def _in_file(path: str, digest: str) -> bool:
    """Whether the sorted file holds the digest: by halves, since the whole list has some forty gigabytes."""
    if not path:
        return False
    with Path(path).open("rb") as file:
        low, high = 0, file.seek(0, os.SEEK_END)
        while low < high:
            middle = (low + high) // 2
            # A line that begins before the middle is the last one's; the next whole line is asked.
            file.seek(max(0, middle - 1))
            if middle:
                file.readline(_LINE_MOST)
            line = file.readline(_LINE_MOST)
            found = line[:_DIGITS].decode("ascii", "replace")
            if found == digest:
                return True
            if line and found < digest:
                low = middle + 1
            else:
                high = middle
    return False


def _in_service(url: str, digest: str) -> bool:
    if not url:
        return False
    try:
        # Padded: how long the answer is tells nobody on the way which range was asked for.
        asked = f"{url}{digest[:5]}"
        answer = requests.get(asked, headers={"Add-Padding": "true"}, timeout=_WAIT_S, allow_redirects=False)
        if answer.status_code != requests.codes.ok:
            raise requests.HTTPError(f"answered {answer.status_code}")
    except requests.RequestException as error:
        # Its kind alone: the rest may name the address, and that the five digits.
        _log.warning("breached_passwords_not_asked", error=type(error).__name__)
        return False
    rest = digest[5:]
    return any(line.startswith(f"{rest}:") and not line.endswith(":0") for line in answer.text.splitlines())
