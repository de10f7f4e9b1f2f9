"""Vibration blocks as shapes of their spectra, which a change of load moves little. Pure: numpy alone."""

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import Float64Array

BLOCK = 2_048
_BANDS = 16
_SMALLEST = 1e-9


def spectral_rows(signals: Float64Array) -> Float64Array:
    """A row of features for each block of BLOCK samples, which overlap by half; signals: shape (n, sensors).

    For each sensor: the logarithm of the energy in bands that widen with frequency, without their mean (so that a
    stronger vibration of the same kind looks the same), and the logarithm of the kurtosis (how much it knocks).
    Returns shape (blocks, sensors * (bands + 1)). Raises ValueError when there is not one block without gaps.

    >>> rows = spectral_rows(np.random.default_rng(1).normal(size=(4096, 2)))
    >>> rows.shape[0], bool(np.allclose(rows, spectral_rows(3.0 * np.random.default_rng(1).normal(size=(4096, 2)))))
    (3, True)
    """
    starts = [
        start
        for start in range(0, len(signals) - BLOCK + 1, BLOCK // 2)
        if np.isfinite(signals[start : start + BLOCK]).all()
    ]
    if not starts:
        raise ValueError(f"there is no stretch of {BLOCK} samples without a gap")
    return np.array([_row(signals[start : start + BLOCK]) for start in starts])


def _row(block: Float64Array) -> Float64Array:
    swing = block - block.mean(axis=0)
    power = np.abs(np.fft.rfft(swing * np.hanning(BLOCK)[:, None], axis=0))[1:] ** 2
    scale = np.maximum(power.sum(axis=0), _SMALLEST)
    bands = np.log(np.add.reduceat(power / scale, _edges(), axis=0) + _SMALLEST)
    square = np.maximum((swing**2).mean(axis=0), _SMALLEST)
    knocks = np.log(np.maximum((swing**4).mean(axis=0), _SMALLEST**2) / square**2)
    return np.concatenate([(bands - bands.mean(axis=0)).ravel(order="F"), knocks])


def _edges() -> NDArray[np.int64]:
    return np.unique(np.geomspace(1, BLOCK // 2 - 1, _BANDS + 1).astype(np.int64)) - 1
