"""Words that anybody would try first at this factory: a password made of them, with a year and a sign, is none.

The list is `COMMON_HERE`, with the factory's own name and address beside it.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from tenants.context import factory_current

# Of the product, of plants, and of what people put before and behind; in the languages that pages are written in.
COMMON_HERE = frozenset(
    """
    factorypulse factory pulse plant machine machines production maintenance operator supervisor admin administrator
    owner viewer shift early late night line hall sensor alarm alert monitor monitoring telemetry scada
    werk fabrik maschine maschinen anlage anlagen produktion wartung instandhaltung bediener meister schicht frueh spaet
    nacht linie halle alarm passwort kennwort sommer winter herbst fruehling montag freitag
    password passwd pass secret welcome login signin qwerty letmein changeme default guest user test
    spring summer autumn winter monday friday january december januar dezember
    """.split()  # noqa: SIM905  # a list of eighty quoted words reads worse
)
# What is left of a password without those words, years and signs has to be something of one's own.
_LEAST_OWN_LETTERS = 5
_LEAST_WORD = 3
# Before the words are looked for: what people write in a letter's place.
_MEANT = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})


class ContextWordsValidator:
    """Refuses a password that is no more than words of this place."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises ValidationError. user: may carry `factory_words`, where the factory is not made yet."""
        words = {*COMMON_HERE, *_words(_of_the_factory()), *_words(getattr(user, "factory_words", ()))}
        if any(_is_of_this_place(text, words) for text in _read(password)):
            raise ValidationError(
                _("This is made of words that anybody would try here first. Add some of your own."),
                code="password_of_this_place",
            )

    def get_help_text(self) -> str:
        """What the framework shows beside a field."""
        return _("More than the factory's name and words of the trade.")


def _of_the_factory() -> list[str]:
    factory = factory_current()
    return [factory.name, factory.slug] if factory is not None else []


def _words(texts: Iterable[str]) -> set[str]:
    """The parts of names, and each name whole: “North Mill” is tried as “northmill”, too."""
    words = set()
    for text in texts:
        parts = re.findall(r"[a-z]+", _plain(text))
        words |= {*parts, "".join(parts)}
    return {word for word in words if len(word) >= _LEAST_WORD}


def _read(password: str) -> tuple[str, str]:
    """As it is written, and as it may be meant (“P4ssw0rd”)."""
    return _plain(password), _plain(password.translate(_MEANT))


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def _is_of_this_place(text: str, words: set[str]) -> bool:
    """Whether such words stand in it, and hardly a letter beside them; the longest words are taken out first."""
    pattern = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    rest, found = re.subn(pattern, " ", text)
    return found > 0 and len(re.findall(r"[^\W\d_]", rest)) < _LEAST_OWN_LETTERS
