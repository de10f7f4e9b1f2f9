"""The machines that serve the line: compressor, chiller, and the pump whose bearing goes bad."""

import numpy as np

from factorypulse.dev.plant.fault import FaultSchedule
from factorypulse.dev.plant.noise import Floats, coloured, seed_of, wander, white
from factorypulse.dev.plant.process import Columns
from factorypulse.dev.plant.signals import ambient_c, cycle, day_shape, lag, per_cycle, smooth_step


class Compressor:
    """A screw compressor between two pressures: loads until 7.5 bar, idles until 6.8 bar."""

    _PERIOD_S = 97.0

    def __init__(self, seed: int) -> None:
        self._seed, self._line = seed_of(seed, "compressor"), seed_of(seed, "line")

    def _turn(self, t_s: Floats) -> tuple[Floats, Floats]:
        number, at_s = cycle(t_s, self._PERIOD_S)
        return at_s, self._PERIOD_S * per_cycle(number, self._seed, 0.52, 0.62) * day_shape(t_s)

    def _loaded(self, t_s: Floats) -> Floats:
        at_s, loaded_s = self._turn(t_s)
        return np.asarray(smooth_step(at_s / 2.0) * (1.0 - smooth_step((at_s - loaded_s) / 2.0)))

    def columns(self, t_s: Floats) -> Columns:
        seed, loaded = self._seed, self._loaded(t_s)
        at_s, loaded_s = self._turn(t_s)
        rise = np.where(at_s < loaded_s, at_s / loaded_s, (self._PERIOD_S - at_s) / (self._PERIOD_S - loaded_s))
        pressure = 6.8 + 0.7 * rise + 0.008 * coloured(t_s, seed)
        heat = lag(self._loaded, t_s, 260.0)
        return {
            "discharge_pressure_bar": pressure,
            "motor_current_a": 17.5 + loaded * (18.0 + 0.9 * (pressure - 6.8)) + 0.22 * coloured(t_s, seed + 10),
            "oil_temperature_c": ambient_c(t_s, self._line + 9) + 46.0 + 18.0 * heat + 0.12 * coloured(t_s, seed + 20),
            "air_flow_m3_h": np.maximum(
                0.0, 336.0 * loaded * (1.02 - 0.01 * pressure) + 1.8 * coloured(t_s, seed + 30)
            ),
            "load_state": (loaded > 0.5).astype(np.float64),
        }


class Chiller:
    """Cools the brine: the compressor's stage follows the demand, pressures follow the temperatures."""

    _PERIOD_S = 443.0

    def __init__(self, seed: int) -> None:
        self._seed, self._line = seed_of(seed, "chiller"), seed_of(seed, "line")

    def _stage(self, t_s: Floats) -> Floats:
        number, at_s = cycle(t_s, self._PERIOD_S)
        busy_s = self._PERIOD_S * per_cycle(number, self._seed, 0.46, 0.56)
        return np.asarray(smooth_step(at_s / 12.0) * (1.0 - smooth_step((at_s - busy_s) / 12.0)))

    def columns(self, t_s: Floats) -> Columns:
        seed, stage = self._seed, self._stage(t_s)
        cold = lag(self._stage, t_s, 90.0)
        air = ambient_c(t_s, self._line + 9)
        supply = 3.1 - 1.9 * (cold - 0.5) + 0.12 * wander(t_s, seed, 300.0) + 0.04 * coloured(t_s, seed + 10)
        demand = day_shape(t_s) + 0.02 * wander(t_s, seed + 5, 200.0)
        return {
            "supply_temperature_c": supply,
            "return_temperature_c": supply + 4.6 * demand + 0.05 * coloured(t_s, seed + 20),
            "suction_pressure_bar": 2.9 + 0.09 * supply - 0.25 * stage + 0.012 * coloured(t_s, seed + 30),
            "condensing_pressure_bar": 9.6 + 0.14 * (air - 20.0) + 1.5 * stage + 0.03 * coloured(t_s, seed + 40),
            "power_kw": 6.8 + 9.5 * stage * demand + 0.1 * coloured(t_s, seed + 50),
        }


class Pump:
    """A circulation pump. As its bearing fails, vibration grows, then current and bearing temperature follow.

    `vibration_mm_s` is what a vibration transmitter gives: the RMS velocity, here 100 times a second.
    """

    def __init__(self, seed: int, fault: FaultSchedule | None) -> None:
        self._seed, self._line, self._fault = seed_of(seed, "pump"), seed_of(seed, "line"), fault

    def _severity(self, t_s: Floats) -> Floats:
        return np.zeros_like(t_s) if self._fault is None else self._fault.severity(t_s)

    def _demand(self, t_s: Floats) -> Floats:
        return np.asarray(
            day_shape(t_s) + 0.05 * wander(t_s, self._seed, 150.0) + 0.02 * wander(t_s, self._seed + 1, 25.0)
        )

    def vibration(self, t_s: Floats) -> Floats:
        seed, severity = self._seed, self._severity(t_s)
        calm = 1.75 + 0.7 * (self._demand(t_s) - 1.0)
        # A damaged race knocks: the more, the less evenly.
        knocks = (
            1.0
            + 0.16 * severity * wander(t_s, seed + 31, 0.7)
            + (0.05 + 0.05 * severity) * wander(t_s, seed + 30, 0.03)
        )
        return np.asarray(
            np.abs(
                (calm + 5.4 * severity) * knocks + 0.05 * white(t_s, seed + 32) + 0.08 * wander(t_s, seed + 33, 40.0)
            )
        )

    def columns(self, t_s: Floats) -> Columns:
        seed, demand = self._seed, self._demand(t_s)
        slow_friction = lag(self._severity, t_s, 100.0)
        flow = 24.0 * demand * (1.0 - 0.03 * slow_friction) + 0.12 * coloured(t_s, seed + 10)
        warm = 19.0 * lag(self._demand, t_s, 240.0)
        return {
            "vibration_mm_s": self.vibration(t_s),
            "motor_current_a": 6.2
            + 5.1 * demand
            + 1.9 * lag(self._severity, t_s, 25.0)
            + 0.07 * coloured(t_s, seed + 15),
            "bearing_temperature_c": ambient_c(t_s, self._line + 9)
            + warm
            + 21.0 * slow_friction
            + 0.1 * coloured(t_s, seed + 20),
            "discharge_pressure_bar": 4.9 - 0.035 * (flow - 24.0) + 0.015 * coloured(t_s, seed + 25),
            "flow_m3_h": flow,
        }
