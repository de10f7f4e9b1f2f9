"""Largest triangle three buckets: few readings that look like all of them. Pure: numpy alone.

S. Steinarsson, "Downsampling Time Series for Visual Representation", University of Iceland, 2013. Candidates are the
lowest and highest of short stretches first (MinMaxLTTB, J. Van Der Donckt et al., 2023), which changes little to the
eye and bounds the time.
"""

import numpy as np

from telemetry.history.downsample import extremes
from telemetry.readings import Float64Array, Int64Array

# Candidates per point shown.
CANDIDATES = 4


def lttb(t_ms: Int64Array, values: Float64Array, *, points: int) -> Int64Array:
    """Which readings to draw: ascending indices, at most `points`, the first and the last always among them.

    t_ms: ascending; values: finite. Raises ValueError for fewer than 3 points, unless there are no more readings.

    >>> lttb(np.arange(7), np.array([0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0]), points=3).tolist()
    [0, 3, 6]
    """
    if len(t_ms) <= points:
        return np.arange(len(t_ms))
    if points < 3:
        raise ValueError("a line that turns needs at least 3 points")
    # By equal numbers of readings, not of time: a gap takes no candidates.
    some = extremes(np.arange(len(t_ms)), values, share=CANDIDATES * points)
    some = np.unique(np.concatenate([[0, len(t_ms) - 1], some]))
    return some[_largest_triangles(t_ms[some] - t_ms[0], values[some], points)]


def _largest_triangles(x: Int64Array, y: Float64Array, points: int) -> Int64Array:
    if len(x) <= points:
        return np.arange(len(x))
    edges = np.linspace(1, len(x) - 1, points - 1).astype(np.int64)
    sizes = np.diff(np.append(edges, len(x)))
    # Halves can't overflow where sums of huge values would.
    mean_x, mean_y = np.add.reduceat(x, edges) / sizes, np.add.reduceat(y / sizes.max(), edges) / sizes * sizes.max()
    chosen, last = [0], 0
    xs, ys, ahead_x, ahead_y, cuts = x.tolist(), y.tolist(), mean_x.tolist(), mean_y.tolist(), edges.tolist()
    for bucket in range(points - 2):
        from_x, from_y = xs[last], ys[last]
        to_x, to_y = ahead_x[bucket + 1] - from_x, ahead_y[bucket + 1] - from_y
        last = max(
            range(cuts[bucket], cuts[bucket + 1]),
            key=lambda at: abs((xs[at] - from_x) * to_y - (ys[at] - from_y) * to_x),
        )
        chosen.append(last)
    return np.array([*chosen, len(x) - 1], np.int64)
