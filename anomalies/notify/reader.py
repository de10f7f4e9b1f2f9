"""How somebody reads a message: in which language, and figures in which units."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import translation

from accounts.models import User
from common.units import UnitSystem
from telemetry.models import ViewingPreference


@dataclass(frozen=True, slots=True)
class Reader:
    """language: one of `settings.LANGUAGES`, empty for the installation's."""

    language: str = ""
    units: UnitSystem = UnitSystem.STORED

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Words are made in this reader's language within the block."""
        with translation.override(self.language or settings.LANGUAGE_CODE):
            yield

    def kept(self) -> dict[str, str]:
        """As a message of the outbox keeps it."""
        return {"language": self.language, "units": self.units.value}

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "Reader":
        """As a message kept it; anybody where it kept nothing."""
        kept = payload.get("reader", {})
        return cls(kept.get("language", ""), UnitSystem(kept.get("units", UnitSystem.STORED)))


# Programs and rooms, and whoever chose nothing.
ANYBODY = Reader()


def readers_of(people: Iterable[User]) -> dict[int, Reader]:
    """What people chose under their account, by person; in one query."""
    units = dict(ViewingPreference.objects.values_list("user_id", "units"))
    known = dict(settings.LANGUAGES)
    return {
        person.pk: Reader(
            person.language if person.language in known else "", UnitSystem(units.get(person.pk, UnitSystem.STORED))
        )
        for person in people
    }
