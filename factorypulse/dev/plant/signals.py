"""Building blocks of a machine: cycles, inertia, the shape of a day. Every one is a function of absolute time."""

from collections.abc import Callable

import numpy as np

from factorypulse.dev.plant.noise import Floats, uniform, wander

DAY_S = 86_400.0
_LAG_NODES = 48
# Midpoint quantiles of the exponential kernel: equal weights, fine where the kernel is heavy.
_LAG_OFFSETS = -np.log(1.0 - (np.arange(_LAG_NODES) + 0.5) / _LAG_NODES)

Signal = Callable[[Floats], Floats]


def lag(signal: Signal, t_s: Floats, tau_s: float) -> Floats:
    """First-order response of `signal` with time constant `tau_s`, at each instant.

    The exponential kernel is summed by quadrature instead of integrating a state, so that any instant can be asked
    for alone and the answer is the same.

    >>> float(lag(lambda t: np.ones_like(t), np.array([5.0]), 60.0)[0])
    1.0
    """
    offsets = _LAG_OFFSETS * tau_s
    if len(t_s) <= 500:
        return np.asarray(signal(np.subtract.outer(t_s, offsets).ravel()).reshape(len(t_s), _LAG_NODES).mean(axis=1))
    total = np.zeros(len(t_s))
    for offset in offsets:
        total += signal(t_s - offset)
    return total / _LAG_NODES


def smooth_step(x: Floats) -> Floats:
    """0 below 0, 1 above 1, an S between."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


def cycle(t_s: Floats, period_s: float) -> tuple[Floats, Floats]:
    """Which cycle each instant is in (a whole number), and how far into it, in seconds."""
    number = np.floor(t_s / period_s)
    return number, np.asarray(t_s - number * period_s)


def per_cycle(number: Floats, seed: int, low: float, high: float) -> Floats:
    """A number between low and high for each cycle: no two batches are quite alike."""
    return np.asarray(low + (high - low) * uniform(number.astype(np.int64), seed))


def day_shape(t_s: Floats) -> Floats:
    """Around 1: a little less by night, most in the early afternoon."""
    return np.asarray(1.0 + 0.04 * np.sin(2.0 * np.pi * (t_s / DAY_S - 0.33)))


def ambient_c(t_s: Floats, seed: int) -> Floats:
    """Air in the hall: coolest before sunrise, warmest in the afternoon, with slow draughts."""
    return np.asarray(21.5 + 1.5 * np.sin(2.0 * np.pi * (t_s / DAY_S - 0.375)) + 0.3 * wander(t_s, seed, 1800.0))


def line_load(t_s: Floats, seed: int) -> Floats:
    """How busy the line is (1 = nominal), with a short starved stretch about every five minutes."""
    # Cycles here and elsewhere are no divisors of five minutes: history in 5-minute steps must meet every phase.
    number, at_s = cycle(t_s, 293.0)
    begins = per_cycle(number, seed, 60.0, 220.0)
    lasts = per_cycle(number, seed + 1, 10.0, 26.0)
    depth = per_cycle(number, seed + 2, 0.08, 0.3)
    dip = smooth_step((at_s - begins) / 4.0) - smooth_step((at_s - begins - lasts) / 6.0)
    return np.asarray(day_shape(t_s) * (1.0 - depth * dip) + 0.012 * wander(t_s, seed + 3, 90.0))
