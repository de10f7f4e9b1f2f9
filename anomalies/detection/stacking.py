"""Windows of many machines side by side, so that numpy is called once for all of them. Pure: numpy alone."""

from collections.abc import Iterable, Sequence

import numpy as np

from telemetry.readings import Float64Array

# Cells of one stack at most, unless a single machine has more: what is made of them on the way is a few times as large
# (1.6 MB each), and stays in the processor's cache.
MOST_CELLS = 200_000


def stacked(parts: Sequence[Float64Array]) -> Float64Array:
    """Columns of all parts, shape (n, sum of m), their last rows in line; a shorter part begins with gaps (NaN).

    parts: shape (n, m) each. What looks back over rows, and takes gaps for nothing, finds the same as in each alone.

    >>> stacked([np.array([[1.0], [2.0]]), np.array([[5.0]])]).tolist()
    [[1.0, nan], [2.0, 5.0]]
    """
    if len(parts) == 1:
        return parts[0]
    rows = max((len(part) for part in parts), default=0)
    whole = np.full((rows, sum(part.shape[1] for part in parts)), np.nan)
    first = 0
    for part in parts:
        whole[rows - len(part) :, first : first + part.shape[1]] = part
        first += part.shape[1]
    return whole


def stacks_of(shapes: Sequence[tuple[int, ...]]) -> Iterable[list[int]]:
    """Which parts (by their places) to stack with each other: alike in length, so that little of a stack is filler.

    >>> list(stacks_of([(75, 3), (3_600, 10), (75, 4)]))
    [[0, 2], [1]]
    """
    stack: list[int] = []
    columns = 0
    for at in sorted(range(len(shapes)), key=lambda at: shapes[at][0]):
        rows, wide = shapes[at][0], shapes[at][1]
        # In order of length: this one is the longest so far, and the first may be half of it at least.
        if stack and (rows * (columns + wide) > MOST_CELLS or rows > 2 * shapes[stack[0]][0] + 1):
            yield stack
            stack, columns = [], 0
        stack.append(at)
        columns += wide
    if stack:
        yield stack
