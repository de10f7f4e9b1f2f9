"""The line as a whole: which machines stand in it, what each sends, how often and by which door."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from factorypulse.dev.plant.fault import FaultSchedule
from factorypulse.dev.plant.faults import MachineFault
from factorypulse.dev.plant.noise import Floats, Int64s
from factorypulse.dev.plant.process import Columns, Conveyor, Filler, Mixer, Oven, Packer
from factorypulse.dev.plant.utilities import Chiller, Compressor, Pump

Door = Literal["http", "mqtt"]

# Smallest step a sensor of each unit tells, by the metric's suffix; the longest suffix that fits counts.
RESOLUTIONS: Mapping[str, float] = {
    "_c": 0.1,
    "_a": 0.01,
    "_kw": 0.01,
    "_bar": 0.001,
    "_rpm": 0.01,
    "_mm_s": 0.001,
    "_m_s": 0.001,
    "_m3_h": 0.01,
    "_l_min": 0.1,
    "_state": 1.0,
}


class Physics(Protocol):
    """What a machine's model answers: every metric at every instant asked for."""

    def columns(self, t_s: Floats) -> Columns: ...


@dataclass(frozen=True, slots=True)
class PlantMachine:
    """One machine: how it is named, what it does, and how it reports."""

    key: str
    door: Door
    period_ms: int
    physics: Physics
    fast_metric: str | None = None  # sent beside the others in column blocks, every `fast_period_ms`
    fast_period_ms: int = 10
    mqtt_version: Literal["3.1.1", "5"] = "5"
    faults: tuple[MachineFault, ...] = ()

    def values_at(self, t_ms: Int64s) -> Columns:
        """Every metric at each instant (epoch milliseconds), as its sensor tells it; equal instants, equal values."""
        columns = self._columns(np.asarray(t_ms) / 1000.0, self.faults)
        return {name: _as_told(name, values) for name, values in columns.items()}

    def _columns(self, t_s: Floats, faults: tuple[MachineFault, ...]) -> Columns:
        if not faults:
            return self.physics.columns(t_s)
        return faults[-1](lambda at_s: self._columns(at_s, faults[:-1]), t_s)

    def fast_values_at(self, t_ms: Int64s) -> Floats:
        """The fast metric alone at each instant. Raises ValueError for a machine without one."""
        if self.fast_metric is None or not isinstance(self.physics, Pump):
            raise ValueError(f"{self.key} has no fast metric")
        return _as_told(self.fast_metric, self.physics.vibration(np.asarray(t_ms) / 1000.0))


def _as_told(name: str, values: Floats) -> Floats:
    suffix = max((s for s in RESOLUTIONS if name.endswith(s)), key=len)
    step = RESOLUTIONS[suffix]
    # The second rounding removes the binary dust of the multiplication: 71.3, not 71.30000000000001.
    return np.asarray(np.round(np.round(values / step) * step, 4))


def food_line(
    *, seed: int = 7, fault: FaultSchedule | None = None, faults: Sequence[MachineFault] = ()
) -> list[PlantMachine]:
    """The eight machines. Without a fault schedule the pump stays healthy; `faults` go to their machines."""
    return [
        replace(machine, faults=tuple(fault for fault in faults if fault.machine == machine.key))
        for machine in _healthy_line(seed, fault)
    ]


def _healthy_line(seed: int, fault: FaultSchedule | None) -> list[PlantMachine]:
    return [
        PlantMachine("M01-mixer", "http", 1000, Mixer(seed)),
        PlantMachine("M02-oven", "http", 2000, Oven(seed)),
        PlantMachine("M03-filler", "http", 1000, Filler(seed)),
        PlantMachine("M04-conveyor", "http", 1000, Conveyor(seed)),
        PlantMachine("M05-compressor", "mqtt", 1000, Compressor(seed), mqtt_version="3.1.1"),
        PlantMachine("M06-chiller", "mqtt", 2000, Chiller(seed)),
        PlantMachine("M07-pump", "mqtt", 1000, Pump(seed, fault), fast_metric="vibration_mm_s"),
        PlantMachine("M08-packer", "mqtt", 1000, Packer(seed)),
    ]


@dataclass(frozen=True, slots=True)
class Recording:
    """A stretch of one machine's readings: instants, and a column for each metric."""

    machine: str
    t_ms: Int64s
    columns: Columns


def record(machine: PlantMachine, *, from_ms: int, to_ms: int, step_ms: int | None = None) -> Recording:
    """The machine's readings in [from_ms, to_ms), at whole multiples of `step_ms` (its own period by default)."""
    step = step_ms or machine.period_ms
    t_ms = np.arange(-(-from_ms // step) * step, to_ms, step, dtype=np.int64)
    return Recording(machine.key, t_ms, machine.values_at(t_ms))


def healthy_run(*, from_ms: int, to_ms: int, seed: int = 7) -> list[Recording]:
    """Every machine of a line in which nothing is wrong: each alert raised on it is a false one."""
    return [record(machine, from_ms=from_ms, to_ms=to_ms) for machine in food_line(seed=seed)]


def faulty_run(*, from_ms: int, to_ms: int, fault: FaultSchedule, seed: int = 7) -> list[Recording]:
    """The same line with the pump's bearing on a schedule: an alert belongs where `fault.severity` is high."""
    return [record(machine, from_ms=from_ms, to_ms=to_ms) for machine in food_line(seed=seed, fault=fault)]
