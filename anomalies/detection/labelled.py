"""Telling known conditions apart where people have labelled examples: a ridge of one against the rest. Pure: numpy.

Deliberately linear: with tens of examples anything richer learns the examples, and weights say what was looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import Float64Array

_RIDGE = 10.0
# Turns the distance from the border (about 1 on the examples) into a probability.
_STEEPNESS = 4.0


@dataclass(frozen=True, slots=True)
class Classifier:
    """labels: the conditions; center, scale: (f,); weights: (f + 1, conditions), the last row is the constant."""

    labels: tuple[str, ...]
    center: Float64Array
    scale: Float64Array
    weights: Float64Array

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, for an npz."""
        return {
            "labels": np.array(self.labels),
            "center": self.center,
            "scale": self.scale,
            "weights": self.weights,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Classifier":
        """The inverse. Raises KeyError, ValueError."""
        labels = tuple(str(label) for label in arrays["labels"].tolist())
        if arrays["weights"].shape != (len(arrays["center"]) + 1, len(labels)):
            raise ValueError("the classifier's arrays don't belong together")
        return cls(labels, arrays["center"], arrays["scale"], arrays["weights"])


def classifier_fit(rows: Float64Array, labels: Sequence[str]) -> Classifier:
    """Teach by examples, shape (n, f), of at least two conditions. Raises ValueError for fewer."""
    names = tuple(sorted(set(labels)))
    if len(names) < 2:
        raise ValueError("examples of at least two conditions are needed")
    center, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    scaled = np.column_stack([(rows - center) / scale, np.ones(len(rows))])
    wanted = np.where(np.asarray(labels)[:, None] == np.array(names)[None, :], 1.0, -1.0)
    # Rare conditions weigh as much as frequent ones.
    weight = 1.0 / np.array([list(labels).count(label) for label in labels])
    weight *= len(labels) / weight.sum()
    normal = (scaled * weight[:, None]).T @ scaled + _RIDGE * np.eye(scaled.shape[1])
    return Classifier(names, center, scale, np.linalg.solve(normal, (scaled * weight[:, None]).T @ wanted))


def classifier_probabilities(classifier: Classifier, rows: Float64Array) -> Float64Array:
    """How likely each condition is for rows of one and the same machine state together, shape (conditions,).

    rows: shape (n, f), n >= 1, for example the blocks of one recording; their evidence is averaged.
    """
    scaled = np.column_stack([(rows - classifier.center) / classifier.scale, np.ones(len(rows))])
    evidence = _STEEPNESS * (scaled @ classifier.weights).mean(axis=0)
    likely = np.exp(evidence - evidence.max())
    return np.asarray(likely / likely.sum())
