"""How each judge comes to a verdict and lets go of it again: evidence, hysteresis, rest. Pure: numpy alone."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anomalies.detection.calibrate import Evidence
from anomalies.detection.joint import SHARES, Joint, distance
from anomalies.detection.rarity import Rarity, RarityCourse, rarity_begin
from anomalies.detection.tracked import WINDOWS, Tracked, follow, limit_of
from telemetry.readings import Float64Array

# Tracked levels: cells at three times the limit until an event, twice that at twice the limit.
_BEGIN, _CAP = 8.0, 3.0
# It is over when, for this many cells, the machine is calm or has come back more than this part of the way.
_CALM_BELOW, _CALM_CELLS, _BACK = 0.8, 10, 0.4
# Afterwards the baseline may settle a little off where it was: a repaired machine is seldom quite the old one.
_SETTLE_CELLS, _SETTLE_SHARE = 40, 0.05
_DIRECTION_SHARE, _DIRECTION_FAST, _CARRIES = 0.01, 0.1, 0.5
_FARTHEST = 1e6
_JOINT_CELLS = 10
# How far toward its limit a single cell may bring a smoothed distance that is as usual; the most one cell counts.
_JOINT_ALONE, _JOINT_FARTHEST = 0.7, 50.0
# A level that begins anew follows as one that little history stands behind.
_ANEW_CELLS = 2_000
_RARE_CALM_CELLS = 10


@dataclass(slots=True)
class Standing:
    """Whether a judge sees an event, since when (event time), and how far out it went."""

    active: bool = False
    since_ms: int | None = None
    peak: float = 0.0
    calm: int = 0

    def begin(self, since_ms: int, score: float) -> None:
        """An event is seen from now on."""
        self.active, self.since_ms, self.peak, self.calm = True, since_ms, score, 0

    def end(self) -> None:
        """It is over."""
        self.active, self.since_ms, self.peak, self.calm = False, None, 0.0, 0


@dataclass(slots=True)
class LevelCourse:
    """Tracked levels: baseline and scale as they are by now, and the evidence."""

    center: Float64Array
    variance: Float64Array
    cells: int
    standing: Standing = field(default_factory=Standing)
    evidence: float = 0.0
    doubt_ms: int | None = None
    settle: int = 0
    direction: Float64Array | None = None

    @classmethod
    def begin(cls, tracked: Tracked) -> "LevelCourse":
        """Where teaching ended."""
        return cls(tracked.center.copy(), tracked.variance.copy(), tracked.cells)

    def begin_anew(self, short: Float64Array) -> None:
        """Where the machine is now is its level from here on; short: (k,), means of the first window (NaN: unchanged).

        Scales stay: how far a level wanders was not told by its moving.
        """
        row = np.tile(short, len(WINDOWS))
        self.center = np.where(np.isfinite(row), row, self.center)
        self.standing.end()
        self.evidence, self.doubt_ms, self.direction = 0.0, None, None
        self.settle, self.cells = _SETTLE_CELLS, min(self.cells, _ANEW_CELLS)

    def take(
        self, tracked: Tracked, row: Float64Array, t_ms: int, *, raised: float = 1.0
    ) -> tuple[float, Float64Array, Float64Array]:
        """One cell: its score, each feature's signed deviation, and the limits; the course goes on."""
        limit = limit_of(tracked, self.center, self.variance) * raised
        # Infinity is as wrong as this, and JSON can keep it.
        signed = np.clip((row - self.center) / limit, -_FARTHEST, _FARTHEST)
        score = float(np.fmax.reduce(np.abs(signed), initial=-1.0))
        if score < 0.0:
            return float("nan"), signed, limit
        self._weigh(score, signed, t_ms, limit)
        if not self.standing.active:
            self._follow(tracked, row, limit)
        return score, signed, limit

    def _weigh(self, score: float, signed: Float64Array, t_ms: int, limit: Float64Array) -> None:
        if self.settle and not self.standing.active:
            return
        self.evidence = min(max(self.evidence + min(score, _CAP) - 1.0, 0.0), 2.0 * _BEGIN)
        if not self.standing.active:
            self.doubt_ms = (t_ms if self.doubt_ms is None else self.doubt_ms) if self.evidence > 0.0 else None
            if self.evidence >= _BEGIN:
                self.standing.begin(self.doubt_ms or t_ms, score)
                self.direction = _widest(np.nan_to_num(signed), limit)
            return
        self._held(score, signed[: len(signed) // len(WINDOWS)])

    def _held(self, score: float, short: Float64Array) -> None:
        standing, way = self.standing, self.direction
        standing.peak = max(standing.peak, score)
        way = np.nan_to_num(short) if way is None else way
        if not np.isfinite(short[way != 0.0]).any():
            # A gap in what carries the event is no calm.
            return
        short = np.where(np.isfinite(short), short, way)
        along, whole = float(short @ way), float(way @ way)
        if score > 1.0:
            turns = (way != 0.0) | (np.abs(short) >= 1.0)
            way = way + np.where(turns, short - way, 0.0) * (_DIRECTION_SHARE if along <= whole else _DIRECTION_FAST)
            along, whole = float(short @ way), float(way @ way)
        self.direction = way
        calm = score < _CALM_BELOW or along < _BACK * whole
        standing.calm = standing.calm + 1 if calm else 0
        if standing.calm >= _CALM_CELLS:
            standing.end()
            self.evidence, self.doubt_ms, self.direction, self.settle = 0.0, None, None, _SETTLE_CELLS

    def _follow(self, tracked: Tracked, row: Float64Array, limit: Float64Array) -> None:
        if self.settle:
            self.settle -= 1
            self.center = self.center + np.nan_to_num(row - self.center) * _SETTLE_SHARE
            if not self.settle:
                self.center = np.tile(self.center[: len(tracked.columns)], len(WINDOWS))
            return
        self.cells += 1
        self.center, self.variance = follow(tracked, self.center, self.variance, row, limit=limit, cells=self.cells)

    def to_json(self) -> dict[str, Any]:
        """For the machine's kept state."""
        return {
            "center": _listed(self.center),
            "variance": _listed(self.variance),
            "cells": self.cells,
            "standing": _standing_json(self.standing),
            "evidence": self.evidence,
            "doubt_ms": self.doubt_ms,
            "settle": self.settle,
            "direction": None if self.direction is None else _listed(self.direction),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "LevelCourse":
        """The inverse."""
        way = stored["direction"]
        return cls(
            _array(stored["center"]),
            _array(stored["variance"]),
            stored["cells"],
            Standing(**stored["standing"]),
            stored["evidence"],
            stored["doubt_ms"],
            stored["settle"],
            None if way is None else _array(way),
        )


@dataclass(slots=True)
class JointCourse:
    """The smoothed distances, one for each limit; before: the squared distance of the cell before."""

    smooth: list[float]
    standing: Standing = field(default_factory=Standing)
    before: float = 0.0

    @classmethod
    def begin(cls, joint: Joint) -> "JointCourse":
        """Where teaching ended."""
        return cls([joint.usual] * len(joint.limits))

    def take(self, joint: Joint, level: Float64Array, t_ms: int, *, raised: float = 1.0) -> tuple[float, Float64Array]:
        """One cell: its score, and each metric's part in the distance, in scores."""
        squared, parts = distance(joint, level)
        if np.isnan(squared):
            return float("nan"), parts
        limits = [limit * raised for limit in joint.limits]
        self._remember(joint, squared, limits)
        score = max(smooth / limit for smooth, limit in zip(self.smooth, limits, strict=True))
        if not self.standing.active and score >= 1.0:
            self.standing.begin(t_ms, score)
        elif self.standing.active:
            self.standing.peak = max(self.standing.peak, score)
            self.standing.calm = self.standing.calm + 1 if self._is_calm(joint, limits) else 0
            if self.standing.calm >= _JOINT_CELLS:
                self.standing.end()
        return score, score * np.maximum(parts, 0.0) / max(float(np.maximum(parts, 0.0).sum()), 1e-12)

    def _remember(self, joint: Joint, squared: float, limits: list[float]) -> None:
        for at, (share, limit) in enumerate(zip(SHARES, limits, strict=False)):
            # A single cell, however far out, does not reach the limit: two in a row do. And nothing impossible is
            # remembered for longer than it lasts.
            alone = joint.usual + _JOINT_ALONE * (limit - joint.usual) / share
            new = min(squared, max(self.before, alone), _JOINT_FARTHEST * limit)
            self.smooth[at] += share * (new - self.smooth[at])
        # Infinity is no JSON.
        self.before = min(squared, _FARTHEST)

    def _is_calm(self, joint: Joint, limits: list[float]) -> bool:
        """Whether it is back half the way from its limits: with many metrics the usual is not far below them."""
        return all(smooth < (joint.usual + limit) / 2.0 for smooth, limit in zip(self.smooth, limits, strict=True))

    def to_json(self) -> dict[str, Any]:
        """For the machine's kept state."""
        return {"smooth": list(self.smooth), "before": self.before, "standing": _standing_json(self.standing)}

    @classmethod
    def from_json(cls, stored: dict[str, Any], joint: Joint) -> "JointCourse":
        """The inverse; a state of before the second memory has one number."""
        smooth = stored["smooth"] if isinstance(stored["smooth"], list) else [stored["smooth"]]
        smooth = smooth + [joint.usual] * (len(joint.limits) - len(smooth))
        return cls(smooth, Standing(**stored["standing"]), stored.get("before", 0.0))


@dataclass(slots=True)
class RareCourse:
    """Rarity's histories, and how long it still keeps quiet."""

    history: RarityCourse
    standing: Standing = field(default_factory=Standing)
    quiet: int = 0

    @classmethod
    def begin(cls, rarity: Rarity) -> "RareCourse":
        """Where teaching ended."""
        return cls(rarity_begin(rarity))

    def weigh(self, rarity: Rarity, score: float, t_ms: int) -> None:
        """One cell's score: a detection is told once, then there is rest."""
        self.quiet = max(self.quiet - 1, 0)
        if self.standing.active:
            self.standing.peak = max(self.standing.peak, score)
            self.standing.calm = self.standing.calm + 1 if score < 1.0 else 0
            # What lasts beyond the rest is told anew.
            if self.standing.calm >= _RARE_CALM_CELLS or not self.quiet:
                self.standing.end()
        elif score >= 1.0 and not self.quiet:
            self.standing.begin(t_ms, score)
            self.quiet = rarity.refractory

    def to_json(self) -> dict[str, Any]:
        """For the machine's kept state; of the counts only those that are not zero."""
        history, filled = self.history, np.nonzero(self.history.counts)
        return {
            "base": _listed(history.base),
            "filled": [index.tolist() for index in filled],
            "counts": history.counts[filled].tolist(),
            "total": history.total,
            "rare": [None if np.isinf(x) else x for x in history.rare.tolist()],
            "looked": history.looked,
            "standing": _standing_json(self.standing),
            "quiet": self.quiet,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any], rarity: Rarity) -> "RareCourse":
        """The inverse."""
        counts = np.zeros_like(rarity.counts)
        counts[tuple(np.array(index, dtype=np.int64) for index in stored["filled"])] = stored["counts"]
        rare = np.array([np.inf if x is None else x for x in stored["rare"]])
        history = RarityCourse(_array(stored["base"]), counts, stored["total"], rare, stored["looked"])
        return cls(history, Standing(**stored["standing"]), stored["quiet"])


@dataclass(slots=True)
class Course:
    """Where a machine's stream stands, for every judge it has; survives a kill of the worker as JSON.

    anew: the machine has a new level that teaching has not seen, so what was taught of the old one (bands, forest,
    metrics together) keeps quiet, and only what follows the machine judges.
    """

    bands: Evidence
    levels: LevelCourse | None
    joint: JointCourse | None
    rare: RareCourse | None
    anew: bool = False

    @property
    def active(self) -> bool:
        """Whether any judge sees an event."""
        return self.bands.active or any(part.standing.active for part in self.parts())

    @property
    def since_ms(self) -> int | None:
        """Since when, by the judge that noticed first."""
        found = [self.bands.since_ms] if self.bands.active else []
        found += [part.standing.since_ms for part in self.parts() if part.standing.active]
        return min((since for since in found if since is not None), default=None)

    @property
    def peak(self) -> float:
        """How far out it went, in thresholds."""
        peaks = [part.standing.peak for part in self.parts() if part.standing.active]
        return max([*peaks, self.bands.peak if self.bands.active else 0.0])

    def parts(self) -> "list[LevelCourse | JointCourse | RareCourse]":
        """The judges beside the bands that this machine has."""
        return [part for part in (self.levels, self.joint, self.rare) if part is not None]

    def to_json(self) -> dict[str, Any]:
        """For the machine's kept state."""
        kept = {name: getattr(self, name) for name in ("levels", "joint", "rare")}
        return {
            "bands": self.bands.to_json(),
            "anew": self.anew,
            **{name: None if part is None else part.to_json() for name, part in kept.items()},
        }


def _widest(signed: Float64Array, limit: Float64Array) -> Float64Array:
    """Where the machine went, in short-window limits, by the window that says most about each metric."""
    metrics = len(signed) // len(WINDOWS)
    short, long = signed[:metrics], signed[-metrics:]
    way = np.where(np.abs(short) > np.abs(long), short, long * limit[-metrics:] / limit[:metrics])
    # What hardly moved would only blur when the others have come back.
    return np.where(np.abs(way) >= _CARRIES * np.abs(way).max(), way, 0.0)


def _standing_json(standing: Standing) -> dict[str, Any]:
    return {name: getattr(standing, name) for name in ("active", "since_ms", "peak", "calm")}


def _listed(values: Float64Array) -> list[float | None]:
    # NaN is no JSON.
    return [None if np.isnan(value) else value for value in values.tolist()]


def _array(stored: list[float | None]) -> Float64Array:
    return np.array([np.nan if value is None else value for value in stored], dtype=np.float64)
