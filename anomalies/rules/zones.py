"""The table of vibration limits (ISO 20816-3): its newest version, and what a version must look like."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from django.utils.translation import gettext as _

from anomalies.models import VibrationZones
from common.errors import InvalidInputError

Support = Literal["rigid", "flexible"]


class ZonesInvalidError(InvalidInputError):
    """This is no table of vibration limits."""

    code = "zones_invalid"


class ZoneRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of one group of machines on one kind of support, RMS velocity in mm/s, each above the one before."""

    group: int
    support: Support
    a_b: float
    b_c: float
    c_d: float


@dataclass(frozen=True, slots=True)
class ZoneTable:
    """A version of the table."""

    version: int
    rows: tuple[ZoneRow, ...]

    def row(self, group: int, support: str) -> ZoneRow | None:
        """The limits of a group on a support."""
        return next((row for row in self.rows if (row.group, row.support) == (group, support)), None)


def zones_check(rows: Any) -> tuple[ZoneRow, ...]:
    """The rows of a table. Raises ZonesInvalidError."""
    try:
        found = msgspec.convert(rows, tuple[ZoneRow, ...])
    except msgspec.ValidationError as error:
        raise ZonesInvalidError(str(error)) from error
    if not found or len({(row.group, row.support) for row in found}) < len(found):
        raise ZonesInvalidError(_("Each group has one row for each kind of support."))
    for row in found:
        if not 0 < row.a_b < row.b_c < row.c_d:
            values = {"group": row.group, "support": row.support}
            raise ZonesInvalidError(_("Group %(group)d, %(support)s: limits rise from A/B to C/D.") % values)
    return found


def zones_newest() -> ZoneTable | None:
    """The table that is used; None where a factory has none."""
    row = VibrationZones.objects.first()
    return None if row is None else ZoneTable(row.version, zones_check(row.rows))
