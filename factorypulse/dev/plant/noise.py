"""Noise that depends on the instant alone, so that history and live readings join without a seam."""

import zlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def seed_of(*parts: object) -> int:
    """A 32-bit seed that names a signal, the same in every process.

    >>> seed_of(7, "pump", "flow") == seed_of(7, "pump", "flow")
    True
    """
    return zlib.crc32("/".join(str(part) for part in parts).encode())


def uniform(index: Int64s, seed: int) -> Floats:
    """A number in (0, 1) for each integer: SplitMix64 of the integer and the seed."""
    with np.errstate(over="ignore"):
        x = index.astype(np.uint64) * _GOLDEN + np.uint64(seed) * _MIX_1
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
        x ^= x >> np.uint64(31)
    return ((x >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def normal(index: Int64s, seed: int) -> Floats:
    """A standard normal number for each integer (Box and Muller)."""
    radius = np.sqrt(-2.0 * np.log(uniform(index, seed)))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform(index, seed ^ 0x5BD1E995)))


def white(t_s: Floats, seed: int) -> Floats:
    """Standard normal noise, independent from millisecond to millisecond."""
    return normal(np.round(t_s * 1000.0).astype(np.int64), seed)


def wander(t_s: Floats, seed: int, period_s: float) -> Floats:
    """Continuous noise of variance 1 that forgets itself after about `period_s`."""
    position = t_s / period_s
    cell = np.floor(position)
    angle = (position - cell) * (np.pi / 2.0)
    left = cell.astype(np.int64)
    # Quarter-circle weights keep the variance at 1 between lattice points; linear ones would halve it.
    return np.asarray(np.cos(angle) * normal(left, seed) + np.sin(angle) * normal(left + 1, seed))


def coloured(t_s: Floats, seed: int) -> Floats:
    """Noise of variance 1 with most of its power in seconds, some in minutes: how process signals hiss."""
    return np.asarray(0.65 * white(t_s, seed) + 0.6 * wander(t_s, seed + 1, 6.0) + 0.46 * wander(t_s, seed + 2, 45.0))
