"""A bearing that goes bad on a schedule, so that a visitor can watch it happen."""

from dataclasses import dataclass

import numpy as np

from factorypulse.dev.plant.noise import Floats
from factorypulse.dev.plant.signals import smooth_step


@dataclass(frozen=True, slots=True)
class FaultSchedule:
    """When the bearing is how bad; before `start_s` it is always healthy. All times in seconds."""

    start_s: float
    healthy_s: float = 240.0
    rise_s: float = 180.0
    bad_s: float = 600.0
    repeat_s: float = 2700.0
    repair_s: float = 15.0

    def severity(self, t_s: Floats) -> Floats:
        """0 healthy to 1 bad at each instant."""
        since = t_s - self.start_s
        at_s = np.where(since >= 0.0, np.mod(since, self.repeat_s), 0.0)
        rising = smooth_step((at_s - self.healthy_s) / self.rise_s)
        repaired = smooth_step((at_s - self.healthy_s - self.rise_s - self.bad_s) / self.repair_s)
        return np.asarray(rising - repaired)

    def phase(self, t_s: float) -> str:
        """healthy, degrading, bad: for the log."""
        severity = float(self.severity(np.array([t_s]))[0])
        if severity <= 0.01:
            return "healthy"
        return "bad" if severity >= 0.99 else "degrading"
