"""What a person chose about looking: units for every page, metrics for one machine's."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import InvalidInputError
from common.units import Conversion, UnitSystem, conversion
from telemetry.models import Machine, MetricChoice, ViewingPreference

# More charts than these on one page help nobody.
MOST_SHOWN = 24
DEFAULT_SHOWN = 8


class UnitsInvalidError(InvalidInputError):
    """No such system of units."""

    code = "units_invalid"


def unit_system(text: str) -> UnitSystem:
    """The system of that name, the stored units for an empty one. Raises UnitsInvalidError.

    >>> unit_system(""), unit_system("us")
    (<UnitSystem.STORED: 'stored'>, <UnitSystem.US: 'us'>)
    """
    try:
        return UnitSystem(text or UnitSystem.STORED)
    except ValueError as error:
        detail = _("“units” is stored, metric or us.")
        raise UnitsInvalidError(
            detail, errors=[{"field": "units", "code": "units_invalid", "detail": detail}]
        ) from error


def units_of(user: Any) -> UnitSystem:
    """The units this person reads; whoever is no person of this factory reads what is stored. One query a request."""
    if not isinstance(getattr(user, "_wrapped", user), User) or user.pk is None:
        return UnitSystem.STORED
    known: UnitSystem | None = getattr(user, "units_read", None)
    if known is None:
        chosen = ViewingPreference.objects.filter(user_id=user.pk).values_list("units", flat=True).first()
        known = UnitSystem(chosen or UnitSystem.STORED)
        user.units_read = known
    return known


def units_choose(*, user: User, system: UnitSystem) -> None:
    """From now on this person reads figures in these units."""
    ViewingPreference.objects.update_or_create(user_id=user.pk, defaults={"units": system.value})
    user.units_read = system  # type: ignore[attr-defined]  # kept for the rest of the request


def measured(value: float | None, unit: str, user: Any) -> tuple[float | None, str]:
    """A stored figure and its unit as this person reads them."""
    into = conversion(unit, units_of(user))
    return (None if value is None else into.value(value)), into.unit


def unit_conversion(unit: str, user: Any) -> Conversion:
    """How figures of a unit become this person's."""
    return conversion(unit, units_of(user))


def metrics_chosen(*, user: Any, machine: Machine) -> list[str] | None:
    """Names of the metrics this person wants on the machine's page, in order; None while nothing was chosen."""
    choice = MetricChoice.objects.filter(user_id=user.pk, machine=machine).first()
    return list(choice.names) if choice else None


def metrics_choose(*, user: User, machine: Machine, names: Sequence[str]) -> list[str]:
    """Keep which metrics are shown; unknown names are dropped, and none at all means the choice is given back to us."""
    known = set(machine.metrics.values_list("name", flat=True))
    wanted = [name for name in dict.fromkeys(names) if name in known][:MOST_SHOWN]
    if wanted:
        MetricChoice.objects.update_or_create(user_id=user.pk, machine=machine, defaults={"names": wanted})
    else:
        MetricChoice.objects.filter(user_id=user.pk, machine=machine).delete()
    return wanted
