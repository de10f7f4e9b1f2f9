"""Passwords that everybody chooses, also where somebody has put figures and signs around one or written it twice.

The framework's list has 19,640, of which 1,780 are long enough to be taken here at all. What people make of the others,
to have ten signs, is what is tried first after them.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

# Shorter ones ("abc") stand at the ends of many good passwords.
_LEAST_STEM = 4
# As many figures and signs as a year, a date or “123!” have; more of them may well be somebody's own.
_MOST_AROUND = 8
# Runs of a keyboard and of the alphabet, forwards and backwards.
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm")
_RUNS = tuple(run for row in _ROWS for run in (row, row[::-1]))


class CommonStemValidator(CommonPasswordValidator):
    """Refuses a common password, and what is no more than one with figures and signs, or a piece over and over."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises ValidationError."""
        super().validate(password, user)
        text = password.casefold()
        if any(_is_run(stem) or stem in self.passwords for stem in (text, *_stems(text))):
            raise ValidationError(
                _("This is a common password with figures or signs around it, or one piece over and over."),
                code="password_too_common",
            )


def _stems(text: str) -> Iterator[str]:
    """What is left without figures and signs at the ends, and the piece that the rest repeats."""
    for core in {text.strip(), re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text)}:
        if len(core) < _LEAST_STEM or len(text) - len(core) > _MOST_AROUND:
            continue
        yield core
        piece = _piece(core)
        if len(piece) >= _LEAST_STEM:
            yield piece


def _piece(text: str) -> str:
    """The shortest piece that makes the text when it is written often enough; the text itself when none does."""
    return text[: (text + text).index(text, 1)] if text else text


def _is_run(text: str) -> bool:
    """Whether it is one short piece over and over, or a way along the keyboard."""
    return len(_piece(text)) < _LEAST_STEM or any(text in run for run in _RUNS)
