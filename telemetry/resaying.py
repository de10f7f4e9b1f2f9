"""Sentences that were written down in the source's language, said again in the language of whoever reads them."""

import re

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import get_language, gettext

_HOLE = re.compile(r"%\((\w+)\)s")
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")


class Resayer:
    """Knows which sentences may have been written down.

    sentences: as they stand in the catalogue, with holes such as %(name)s. words: what may stand in a hole and has a
    translation of its own. A sentence in a hole is said again, a large number is grouped as the language does it, and
    whatever else stands there, a name or a figure, stays as it is.
    """

    def __init__(self, *sentences: str, words: tuple[str, ...] = ()) -> None:
        self._known = [(sentence, _pattern(sentence)) for sentence in sentences]
        self._words = frozenset(words)

    def again(self, text: str) -> str | None:
        """The text in the language that is spoken now, or None where it is none of the known sentences.

        >>> Resayer("older than %(days)s days").again("older than 7 days")
        'older than 7 days'
        >>> Resayer("older than %(days)s days").again("what somebody wrote")
        """
        for sentence, pattern in self._known:
            found = pattern.fullmatch(text)
            if found is not None:
                holes = {name: self._held(value) for name, value in found.groupdict().items()}
                return gettext(sentence) % holes if holes else gettext(sentence)
        return None

    def _held(self, value: str) -> str:
        if _GROUPED.fullmatch(value):
            return str(number_format(int(value.replace(",", "")), use_l10n=True, force_grouping=True))
        return gettext(value) if value in self._words else self.again(value) or value


def in_source_language() -> bool:
    """Whether what is stored can be shown as it stands."""
    return (get_language() or settings.LANGUAGE_CODE) == settings.LANGUAGE_CODE


def _pattern(sentence: str) -> "re.Pattern[str]":
    # Odd parts are the holes' names.
    parts = _HOLE.split(sentence)
    pattern = "".join(f"(?P<{part}>.+)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
    return re.compile(pattern, re.DOTALL)
