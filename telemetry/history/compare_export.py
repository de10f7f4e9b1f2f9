"""A comparison as CSV: the buckets on the screen, or every reading, of several machines, by the plant's clock too."""

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from common.errors import InvalidInputError
from common.times import from_ms as instant_of
from common.times import rfc3339
from common.units import UnitSystem
from telemetry.history.downsample import bucket_count
from telemetry.history.export import cell, conversions
from telemetry.history.series import MAX_POINTS, series_raw
from telemetry.history.windows import Window
from telemetry.models import Machine
from telemetry.store import reading_store
from tenants.context import factory_context
from tenants.models import Factory

BUCKETS_HEADER = "time,plant_time,machine,metric,unit,minimum,maximum,mean,readings\r\n"
RAW_HEADER = "time,plant_time,machine,metric,unit,value\r\n"
_SLICE_MS = 3_600_000

Chosen = Sequence[tuple[Machine, Sequence[str]]]


class BucketInvalidError(InvalidInputError):
    """Buckets of this width are none, or too many."""

    code = "bucket_invalid"


def bucket_check(window: Window, bucket_ms: int) -> None:
    """Raises BucketInvalidError."""
    if bucket_ms < 1 or bucket_count(from_ms=window.from_ms, to_ms=window.to_ms, width=bucket_ms) > MAX_POINTS:
        raise BucketInvalidError(_("At most %(number)s buckets can be asked for.") % {"number": MAX_POINTS})


def compare_buckets(
    factory: Factory, chosen: Chosen, windows: Sequence[Window], *, bucket_ms: int, zone: ZoneInfo, system: UnitSystem
) -> Iterator[str]:
    """Buckets of each series over each window. Enters the factory for each machine. Raises StoreUnavailableError."""
    yield BUCKETS_HEADER
    for window in windows:
        for machine, metrics in chosen:
            with factory_context(factory):
                into = conversions(machine, metrics, system)
                found = reading_store().buckets(
                    machine, metrics, from_ms=window.from_ms, to_ms=window.to_ms, bucket_ms=bucket_ms
                )
            for part in found:
                middle = f",{cell(machine.key)},{cell(part.metric)},{cell(into[part.metric].unit)},"
                values = into[part.metric].values
                columns = (part.t_ms, values(part.minimum), values(part.maximum), values(part.mean), part.count)
                yield "".join(
                    f"{_times(t_ms, zone)}{middle}{low!r},{high!r},{mean!r},{count}\r\n"
                    for t_ms, low, high, mean, count in zip(*(column.tolist() for column in columns), strict=True)
                )


def compare_readings(
    factory: Factory, chosen: Chosen, windows: Sequence[Window], *, zone: ZoneInfo, system: UnitSystem
) -> Iterator[str]:
    """Every reading of each series over each window, an hour at a time. Raises StoreUnavailableError, also midway."""
    yield RAW_HEADER
    for window in windows:
        for start in range(window.from_ms, window.to_ms, _SLICE_MS):
            until = min(window.to_ms, start + _SLICE_MS)
            for machine, metrics in chosen:
                with factory_context(factory):
                    into = conversions(machine, metrics, system)
                    found = series_raw(machine, metrics, from_ms=start, to_ms=until)
                for part in found:
                    middle = f",{cell(machine.key)},{cell(part.metric)},{cell(into[part.metric].unit)},"
                    values = into[part.metric].values(part.values)
                    yield "".join(
                        f"{_times(t_ms, zone)}{middle}{value!r}\r\n"
                        for t_ms, value in zip(part.t_ms.tolist(), values.tolist(), strict=True)
                    )


def _times(t_ms: int, zone: ZoneInfo) -> str:
    instant = instant_of(t_ms)
    return f"{rfc3339(instant)},{instant.astimezone(zone).isoformat(sep=' ', timespec='milliseconds')}"
