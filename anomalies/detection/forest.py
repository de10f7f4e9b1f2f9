"""An Isolation Forest as arrays: trained by scikit-learn, walked by ourselves. Nothing here unpickles.

Liu, Ting, Zhou, "Isolation Forest", ICDM 2008. `forest_score` equals scikit-learn's `score_samples` within 1e-12.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import Float64Array

TREES = 100
SAMPLES_PER_TREE = 256
# Rows of one walk: what it needs on the way (eight bytes a row and tree, a few times) stays with some megabytes.
ROWS_AT_ONCE = 2_048
# Beyond it a 32-bit number is infinite.
_LARGEST = 3e38


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees' nodes one after another; a leaf points to itself.

    roots: (trees,). split_on, limit, left, right: (nodes,), go left where x[split_on] <= limit. path: (nodes,), for a
    leaf the expected path length of what ends there. depth: levels of the deepest tree. usual_path: the expected path
    length of a tree over all of its samples.
    """

    roots: NDArray[np.int32]
    split_on: NDArray[np.int32]
    limit: Float64Array
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    path: Float64Array
    depth: int
    usual_path: float

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for an npz."""
        return {
            "roots": self.roots,
            "split_on": self.split_on,
            "limit": self.limit,
            "left": self.left,
            "right": self.right,
            "path": self.path,
            "shape": np.array([self.depth, self.usual_path], dtype=np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Forest":
        """The inverse of `to_arrays`. Raises ValueError for arrays that would lead a walk astray."""
        depth, usual_path = arrays["shape"]
        forest = cls(
            roots=arrays["roots"],
            split_on=arrays["split_on"],
            limit=arrays["limit"],
            left=arrays["left"],
            right=arrays["right"],
            path=arrays["path"],
            depth=int(depth),
            usual_path=float(usual_path),
        )
        nodes = len(forest.limit)
        if not nodes or any(len(part) != nodes for part in (forest.split_on, forest.left, forest.right, forest.path)):
            raise ValueError("the forest's arrays are not of one length")
        pointers = np.concatenate([forest.roots, forest.left, forest.right])
        if pointers.min() < 0 or pointers.max() >= nodes or forest.split_on.min() < 0:
            raise ValueError("the forest's arrays point outside of it")
        return forest

    @property
    def features(self) -> int:
        """How many features a row must have at least."""
        return int(self.split_on.max()) + 1


def forest_fit(rows: Float64Array, *, seed: int) -> tuple[Forest, Any]:
    """Train on finite rows, shape (n, f); returns the arrays, and scikit-learn's own object for comparison only."""
    from sklearn.ensemble import IsolationForest

    trained = IsolationForest(
        n_estimators=TREES, max_samples=min(SAMPLES_PER_TREE, len(rows)), random_state=seed, n_jobs=1
    ).fit(rows)
    return _arrays_of(trained), trained


def forest_score(forest: Forest, rows: Float64Array) -> Float64Array:
    """How easily each finite row is isolated, shape (n,), in (0, 1]: about 0.5 is usual, towards 1 is odd."""
    values = values_compared(rows)
    scores = np.empty(len(values))
    for start in range(0, len(values), ROWS_AT_ONCE):
        part = values[start : start + ROWS_AT_ONCE]
        scores[start : start + ROWS_AT_ONCE] = _mean_path(forest, part)
    return np.exp2(-scores / forest.usual_path)


def values_compared(rows: Float64Array) -> NDArray[np.float32]:
    """Rows as trees compare them: scikit-learn splits on 32-bit values, and 64 bits would send ties the other way."""
    return np.ascontiguousarray(np.clip(rows, -_LARGEST, _LARGEST), dtype=np.float32)


def _mean_path(forest: Forest, values: NDArray[np.float32]) -> Float64Array:
    node = np.broadcast_to(forest.roots, (len(values), len(forest.roots)))
    flat, first = np.ascontiguousarray(values).ravel(), (np.arange(len(values)) * values.shape[1])[:, None]
    for _ in range(forest.depth):
        goes_left = flat.take(first + forest.split_on.take(node)) <= forest.limit.take(node)
        node = np.where(goes_left, forest.left.take(node), forest.right.take(node))
    mean: Float64Array = forest.path[node].sum(axis=1) / len(forest.roots)
    return mean


def _arrays_of(trained: Any) -> Forest:
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("split_on", "limit", "left", "right", "path")}
    roots, offset, deepest = [], 0, 0
    for estimator, columns in zip(trained.estimators_, trained.estimators_features_, strict=True):
        tree = estimator.tree_
        itself = np.arange(tree.node_count, dtype=np.int32)
        is_leaf = tree.children_left < 0
        parts["split_on"].append(np.where(is_leaf, 0, columns[np.maximum(tree.feature, 0)]).astype(np.int32))
        parts["limit"].append(tree.threshold.astype(np.float64))
        parts["left"].append((np.where(is_leaf, itself, tree.children_left) + offset).astype(np.int32))
        parts["right"].append((np.where(is_leaf, itself, tree.children_right) + offset).astype(np.int32))
        parts["path"].append(_depths(tree) + expected_path(tree.n_node_samples))
        roots.append(offset)
        offset += tree.node_count
        deepest = max(deepest, int(tree.max_depth))
    joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    usual = float(expected_path(np.array([trained._max_samples]))[0])
    return Forest(
        roots=np.array(roots, dtype=np.int32),
        split_on=joined["split_on"],
        limit=joined["limit"],
        left=joined["left"],
        right=joined["right"],
        path=joined["path"],
        depth=deepest,
        usual_path=usual,
    )


def _depths(tree: Any) -> Float64Array:
    depth = np.zeros(tree.node_count)
    # Parents stand before their children in scikit-learn's trees.
    for node in range(tree.node_count):
        if tree.children_left[node] >= 0:
            depth[tree.children_left[node]] = depth[tree.children_right[node]] = depth[node] + 1
    return depth


def expected_path(samples: NDArray[Any]) -> Float64Array:
    """c(n) of the paper: the mean depth at which a random tree over n samples isolates one.

    >>> expected_path(np.array([1, 2])).tolist()
    [0.0, 1.0]
    """
    n = np.asarray(samples, dtype=np.float64)
    many = np.maximum(n, 3.0)
    path = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, path))
