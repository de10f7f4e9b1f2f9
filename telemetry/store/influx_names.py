"""Under which name InfluxDB keeps a metric: its own, and another one after each deletion.

No InfluxDB can remove one field. A deleted metric's readings stay where nobody looks for them, until the plan keeps
them no longer; one of the same name that comes later begins under a new field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from telemetry.models import Machine
from telemetry.readings import ReadingBatch
from telemetry.store.base import Buckets


def kept_name(deleted: Mapping[str, int], metric: str) -> str:
    """deleted: how often a metric of each name was. No metric's own name begins with a tilde.

    >>> kept_name({}, "vibration"), kept_name({"vibration": 2}, "vibration")
    ('vibration', '~2~vibration')
    """
    times = deleted.get(metric, 0)
    return f"~{times}~{metric}" if times else metric


def kept_names(machine: Machine, metrics: Sequence[str]) -> list[str]:
    """Of a machine's metrics, in their order."""
    return [kept_name(machine.metrics_deleted, metric) for metric in metrics]


def kept_batch(batch: ReadingBatch, machines: Mapping[str, Machine]) -> ReadingBatch:
    """The same readings under kept names."""
    if not any(machine.metrics_deleted for machine in machines.values()):
        return batch
    deleted = {key: machine.metrics_deleted for key, machine in machines.items()}
    keys = [(machine, kept_name(deleted.get(machine, {}), metric)) for machine, metric in batch.keys]
    return ReadingBatch.of_columns(keys, batch.codes, batch.t_ms, batch.values)


def own_buckets(found: Sequence[Buckets], metrics: Sequence[str]) -> list[Buckets]:
    """What was read under kept names, under the metrics' own."""
    return [replace(part, metric=metric) for part, metric in zip(found, metrics, strict=True)]
