"""Three faults beside the bearing, each of another kind: what the product must find, and name rightly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from factorypulse.dev.plant.noise import Floats
from factorypulse.dev.plant.signals import smooth_step

Columns = dict[str, Floats]
Answer = Callable[[Floats], Columns]


@dataclass(frozen=True, slots=True)
class Course:
    """When a fault begins, how long it takes to be whole, and when somebody has repaired it. All in seconds."""

    start_s: float
    rise_s: float
    lasts_s: float
    repair_s: float = 20.0

    def severity(self, t_s: Floats) -> Floats:
        """0 healthy to 1 at each instant."""
        since = t_s - self.start_s
        over = smooth_step((since - self.rise_s - self.lasts_s) / self.repair_s)
        return np.asarray(smooth_step(since / max(self.rise_s, 1e-3)) - over)


@dataclass(frozen=True, slots=True)
class MachineFault:
    """What goes wrong on which machine; `metric` is the one that a good explanation names first."""

    name: str
    machine: str
    metric: str
    course: Course

    def __call__(self, answer: Answer, t_s: Floats) -> Columns:
        """The machine's columns with the fault in them; `answer` gives those of a healthy machine at any instant."""
        return _EFFECTS[self.name](self, answer, t_s)


def stuck_sensor(start_s: float) -> MachineFault:
    """The packer's air pressure sensor says the same for a quarter of an hour: a broken wire behind a holding input."""
    return MachineFault("stuck-sensor", "M08-packer", "air_pressure_bar", Course(start_s, 0.0, 900.0, 0.001))


def clogged_filter(start_s: float) -> MachineFault:
    """The filler's product filter clogs within ten minutes: less flows, at a higher pressure before the filter."""
    return MachineFault("clogged-filter", "M03-filler", "product_pressure_bar", Course(start_s, 600.0, 900.0))


def drifting_temperature(start_s: float) -> MachineFault:
    """The thermocouple of the oven's second zone ages: it drifts up by 12 degrees within 40 minutes."""
    return MachineFault("drifting-temperature", "M02-oven", "zone2_temperature_c", Course(start_s, 2400.0, 1200.0))


FAULTS: Mapping[str, Callable[[float], MachineFault]] = {
    "stuck-sensor": stuck_sensor,
    "clogged-filter": clogged_filter,
    "drifting-temperature": drifting_temperature,
}


def _stuck(fault: MachineFault, answer: Answer, t_s: Floats) -> Columns:
    columns = answer(t_s)
    held = answer(np.array([fault.course.start_s]))[fault.metric][0]
    columns[fault.metric] = np.where(fault.course.severity(t_s) > 0.5, held, columns[fault.metric])
    return columns


def _clogged(fault: MachineFault, answer: Answer, t_s: Floats) -> Columns:
    columns, severity = answer(t_s), fault.course.severity(t_s)
    columns["product_flow_l_min"] = columns["product_flow_l_min"] * (1.0 - 0.2 * severity)
    columns["product_pressure_bar"] = columns["product_pressure_bar"] + 1.1 * severity
    return columns


def _drifting(fault: MachineFault, answer: Answer, t_s: Floats) -> Columns:
    columns = answer(t_s)
    columns[fault.metric] = columns[fault.metric] + 12.0 * fault.course.severity(t_s)
    return columns


_EFFECTS: Mapping[str, Callable[[MachineFault, Answer, Floats], Columns]] = {
    "stuck-sensor": _stuck,
    "clogged-filter": _clogged,
    "drifting-temperature": _drifting,
}
