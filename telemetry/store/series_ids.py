"""Which number a metric has in the PostgreSQL store, and which machine it is of, remembered per factory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from sys import intern

from common.expiring import ExpiringMap
from telemetry.models import Machine, Metric
from telemetry.readings import Key

# A metric that an admin deletes and a device brings back gets a new number: an old one is forgotten this soon.
_FRESH_S = 15.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where readings of a key go. machines: number by machine's key; places: machine << 32 | series by key."""

    machines: dict[str, int] = field(default_factory=dict)
    places: dict[Key, int] = field(default_factory=dict)

    def hold(self, keys: Iterable[Key], machines: Mapping[str, Machine]) -> bool:
        """Whether these keys are known, and still those of these machines."""
        numbers = self.machines
        return all(numbers.get(key) == machine.pk for key, machine in machines.items()) and all(
            map(self.places.__contains__, keys)
        )


_by_schema = ExpiringMap[str, Places](size=500, fresh_s=_FRESH_S)


def series_places(schema: str, keys: Iterable[Key], machines: Mapping[str, Machine]) -> dict[Key, int]:
    """machine << 32 | series by (machine's key, metric), for at least those asked for that exist.

    machines: those of the keys, as they were registered.
    """
    held = _by_schema.fresh(schema)
    if held is not None and held.value.hold(keys, machines):
        return held.value.places
    read = Places()
    found = Metric.objects.order_by().values_list("machine__key", "machine_id", "name", "id")
    for key, machine_id, metric, metric_id in found.iterator():
        # Ten thousand series have a thousand machines' keys and some dozens of names.
        machine, name = intern(key), intern(metric)
        read.machines[machine] = machine_id
        read.places[machine, name] = machine_id << 32 | metric_id
    _by_schema.put(schema, read)
    return read.places


def series_ids_forget(schema: str) -> None:
    """After a deletion: what is remembered no longer stands."""
    _by_schema.forget(schema)
