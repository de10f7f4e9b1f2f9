"""The forests of many machines one after another in shared arrays, so that one walk scores rows of all. Pure: numpy.

A forest that stands in a table is a view of its arrays: nothing is kept twice. Tables are not changed once made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.forest import ROWS_AT_ONCE, TREES, Forest, values_compared
from telemetry.readings import Float64Array, Int64Array

_COLUMNS = ("split_on", "limit", "left", "right", "path")

Rows = Sequence[tuple[int, Float64Array]]


@dataclass(frozen=True, slots=True)
class ForestTable:
    """forests: by owner (a number of the caller's), each a view of these arrays; place: of each owner, in `roots`.

    roots: (owners, TREES), usual_path: (owners,), base: (owners,), where each forest's nodes begin; the other arrays
    are those of `Forest`, with pointers that count from the base.
    """

    forests: Mapping[int, Forest]
    place: Mapping[int, int]
    roots: Int64Array
    usual_path: Float64Array
    base: Int64Array
    split_on: NDArray[np.int32]
    limit: Float64Array
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    path: Float64Array
    depth: int

    def holds(self, forests: Mapping[int, Forest]) -> bool:
        """Whether these very forests stand here."""
        return all(self.forests.get(owner) is forest for owner, forest in forests.items())

    def score(self, asked: Rows) -> list[Float64Array]:
        """Finite rows, shape (n, f), of owners that stand here: what `forest_score` answers for each, exactly.

        Owners may have different numbers of rows and of features.
        """
        counts = [len(rows) for _owner, rows in asked]
        owner = np.repeat(np.array([self.place[owner] for owner, _rows in asked], np.int64), counts)
        width = np.repeat(np.array([rows.shape[1] for _owner, rows in asked], np.int64), counts)
        flat = np.concatenate([values_compared(rows).ravel() for _owner, rows in asked] or [np.zeros(0, np.float32)])
        first = np.cumsum(width) - width
        path = np.concatenate(
            [
                self._walk(flat, first[begin : begin + ROWS_AT_ONCE], owner[begin : begin + ROWS_AT_ONCE])
                for begin in range(0, len(owner), ROWS_AT_ONCE)
            ]
            or [np.zeros(0)]
        )
        scores = np.exp2(-path / self.usual_path[owner])
        return np.split(scores, np.cumsum(counts)[:-1]) if counts else []

    def _walk(self, flat: NDArray[np.float32], first: Int64Array, owner: Int64Array) -> Float64Array:
        """The mean path of each row, whose values begin in `flat` at `first`."""
        base, first = self.base[owner][:, None], first[:, None]
        at = self.roots[owner] + base
        for _ in range(self.depth):
            goes_left = flat.take(first + self.split_on.take(at)) <= self.limit.take(at)
            at = np.where(goes_left, self.left.take(at), self.right.take(at)) + base
        mean: Float64Array = self.path.take(at).sum(axis=1) / TREES
        return mean


def table_of(forests: Mapping[int, Forest]) -> ForestTable:
    """A table of these forests, one at least, by owner.

    Raises ValueError for a forest of another number of trees than the product teaches.
    """
    if any(len(forest.roots) != TREES for forest in forests.values()):
        raise ValueError(f"a table's forests have {TREES} trees")
    owners, parts = list(forests), list(forests.values())
    sizes = np.array([len(forest.limit) for forest in parts], np.int64)
    ends = np.cumsum(sizes)
    joined = {name: np.concatenate([getattr(forest, name) for forest in parts]) for name in _COLUMNS}
    spans = zip(owners, parts, (ends - sizes).tolist(), ends.tolist(), strict=True)
    views = {owner: _view(forest, joined, slice(begin, end)) for owner, forest, begin, end in spans}
    return ForestTable(
        forests=views,
        place={owner: at for at, owner in enumerate(owners)},
        roots=np.array([forest.roots for forest in parts], np.int64),
        usual_path=np.array([forest.usual_path for forest in parts]),
        base=ends - sizes,
        depth=max(forest.depth for forest in parts),
        **joined,
    )


def _view(forest: Forest, joined: Mapping[str, NDArray[Any]], rows: slice) -> Forest:
    arrays: dict[str, Any] = {name: column[rows] for name, column in joined.items()}
    return replace(forest, **arrays)
