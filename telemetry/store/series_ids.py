"""Which number a metric has in the PostgreSQL store, remembered per factory."""

from common.expiring import ExpiringMap
from telemetry.models import Metric

SeriesIds = dict[tuple[int, str], int]

# A metric that an admin deletes and a device brings back gets a new number: an old one is forgotten this soon.
_FRESH_S = 15.0
_by_schema = ExpiringMap[str, SeriesIds](size=500, fresh_s=_FRESH_S)


def series_ids(schema: str, wanted: set[tuple[int, str]]) -> SeriesIds:
    """Series number by (machine id, metric name), for at least those wanted that exist."""
    held = _by_schema.fresh(schema)
    if held is not None and wanted <= held.value.keys():
        return held.value
    read = {
        (machine_id, name): metric_id
        for machine_id, name, metric_id in Metric.objects.order_by().values_list("machine_id", "name", "id").iterator()
    }
    _by_schema.put(schema, read)
    return read


def series_ids_forget(schema: str) -> None:
    """After a deletion: what is remembered no longer stands."""
    _by_schema.forget(schema)
