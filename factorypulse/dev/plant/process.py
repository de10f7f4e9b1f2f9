"""The machines that touch the product: mixer, oven, filler, conveyor, packer."""

import numpy as np

from factorypulse.dev.plant.noise import Floats, coloured, seed_of, wander
from factorypulse.dev.plant.signals import ambient_c, cycle, lag, line_load, per_cycle

Columns = dict[str, Floats]

_BATCH_S = 487.0
# Seconds into a batch: fill, slow mix, fast mix, slow mix, discharge.
_SPEED_AT = ([0, 6, 55, 62, 145, 155, 360, 370, 420, 425, 474, 480], [6, 15, 15, 32, 32, 88, 88, 32, 32, 14, 14, 6])
_THICKNESS_AT = ([0, 60, 150, 360, 420, 480], [0.35, 0.7, 1.0, 1.25, 1.2, 0.35])
_WARMTH_AT = ([0, 60, 150, 360, 440, 480], [12.0, 12.6, 14.1, 21.8, 22.4, 12.0])


class Mixer:
    """Mixes a batch every eight minutes; the dough thickens and warms as it is worked."""

    def __init__(self, seed: int) -> None:
        self._seed = seed_of(seed, "mixer")

    def _speed(self, t_s: Floats) -> Floats:
        return np.interp(cycle(t_s, _BATCH_S)[1], *_SPEED_AT)

    def _power(self, t_s: Floats) -> Floats:
        number, at_s = cycle(t_s, _BATCH_S)
        thickness = np.interp(at_s, *_THICKNESS_AT) * per_cycle(number, self._seed, 0.96, 1.04)
        # Both ends of a batch are the same empty bowl: no step where the factor changes.
        thickness = np.where((at_s < 5.0) | (at_s > 475.0), np.interp(at_s, *_THICKNESS_AT), thickness)
        return np.asarray(0.9 + 11.5 * thickness * (self._speed(t_s) / 88.0) ** 1.3)

    def columns(self, t_s: Floats) -> Columns:
        seed, speed, power = self._seed, self._speed(t_s), self._power(t_s)
        power = power * (1.0 + 0.015 * coloured(t_s, seed + 10))
        dough = lag(lambda t: np.interp(cycle(t, _BATCH_S)[1], *_WARMTH_AT), t_s, 12.0)
        return {
            "speed_rpm": speed + 0.25 * coloured(t_s, seed + 20),
            "power_kw": power,
            "motor_current_a": 4.0 + 1.75 * power + 0.12 * coloured(t_s, seed + 30),
            "product_temperature_c": dough + 0.35 * wander(t_s, seed + 40, 900.0) + 0.06 * coloured(t_s, seed + 41),
            "vibration_mm_s": (0.7 + 1.1 * (speed / 88.0) ** 1.5) * np.exp(0.07 * coloured(t_s, seed + 50)),
        }


class Oven:
    """A three-zone tunnel oven: the burner answers the trays' load, the zones sag and recover slowly."""

    _ZONES = ((1, 182.0, 2.2), (2, 205.0, 1.6), (3, 221.0, 1.2))

    def __init__(self, seed: int) -> None:
        self._seed, self._line = seed_of(seed, "oven"), seed_of(seed, "line")

    def _trays(self, t_s: Floats) -> Floats:
        _number, at_s = cycle(t_s, 241.0)
        return np.asarray(0.35 * np.sin(2.0 * np.pi * at_s / 241.0) + line_load(t_s, self._line))

    def columns(self, t_s: Floats) -> Columns:
        seed = self._seed
        load_fast, load_slow = lag(self._trays, t_s, 15.0), lag(self._trays, t_s, 110.0)
        columns = {
            f"zone{zone}_temperature_c": setpoint
            - sag * (load_slow - 1.0)
            + 0.35 * wander(t_s, seed + zone, 420.0)
            + 0.12 * coloured(t_s, seed + 10 + 5 * zone)
            for zone, setpoint, sag in self._ZONES
        }
        columns["gas_flow_m3_h"] = 13.5 + 5.2 * load_fast + 0.18 * coloured(t_s, seed + 40)
        columns["power_kw"] = 7.4 + 1.5 * load_slow + 0.06 * coloured(t_s, seed + 50)
        return columns


class Filler:
    """Fills jars: flow and pressure follow the line's pace."""

    def __init__(self, seed: int) -> None:
        self._seed, self._line = seed_of(seed, "filler"), seed_of(seed, "line")

    def columns(self, t_s: Floats) -> Columns:
        seed, load = self._seed, line_load(t_s, self._line)
        flow = 58.0 * load * (1.0 + 0.012 * coloured(t_s, seed))
        return {
            "carousel_speed_rpm": 4.92 * load + 0.037 * coloured(t_s, seed + 10),
            "product_flow_l_min": flow,
            "product_pressure_bar": 2.35 + 0.55 * (flow / 58.0) ** 2 + 0.012 * coloured(t_s, seed + 20),
            "motor_current_a": 3.1 + 4.2 * load + 0.07 * coloured(t_s, seed + 30),
        }


class Conveyor:
    """Carries jars from filler to packer, 20 seconds behind the filler; its motor warms slowly."""

    def __init__(self, seed: int) -> None:
        self._seed, self._line = seed_of(seed, "conveyor"), seed_of(seed, "line")

    def _load(self, t_s: Floats) -> Floats:
        return line_load(t_s - 20.0, self._line)

    def columns(self, t_s: Floats) -> Columns:
        seed, load = self._seed, self._load(t_s)
        current = 2.2 + 3.6 * load + 0.06 * coloured(t_s, seed)
        warm = lag(self._load, t_s, 420.0)
        return {
            "belt_speed_m_s": 0.42 * (0.35 + 0.65 * load) + 0.0022 * coloured(t_s, seed + 10),
            "motor_current_a": current,
            "motor_temperature_c": ambient_c(t_s, self._line + 9) + 26.0 * warm**2 + 0.1 * coloured(t_s, seed + 20),
            "motor_power_kw": 0.72 * current * (0.62 + 0.02 * load) + 0.02 * coloured(t_s, seed + 30),
        }


class Packer:
    """Packs 45 seconds behind the filler; a two-point heater holds its sealing bar."""

    def __init__(self, seed: int) -> None:
        self._seed, self._line = seed_of(seed, "packer"), seed_of(seed, "line")

    def columns(self, t_s: Floats) -> Columns:
        seed, load = self._seed, line_load(t_s - 45.0, self._line)
        _number, at_s = cycle(t_s, 41.0)
        heater = np.interp(at_s, [0.0, 16.0, 41.0], [-1.0, 1.0, -1.0])
        return {
            "cutter_speed_rpm": 29.5 * load + 0.3 * coloured(t_s, seed),
            "motor_current_a": 2.4 + 3.9 * load + 0.08 * coloured(t_s, seed + 10),
            "air_pressure_bar": 5.92 - 0.09 * load + 0.018 * coloured(t_s, seed + 20),
            "seal_temperature_c": 148.0 + 1.1 * heater - 0.8 * (load - 1.0) + 0.12 * coloured(t_s, seed + 30),
        }
