"""A back-test as its page draws it: curves, lanes of alerts, figures in words."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.jobs import JobShown
from anomalies.alerts.sentences import part_title
from anomalies.detector_figures import WEEK_MS, verdict_met
from anomalies.detector_replay import BANDS
from anomalies.detector_replays import Side, Told, known_of
from anomalies.models import Alert, Replay, Verdict
from common.times import from_ms
from common.times import to_ms as ms_of
from telemetry.figures import age, decimal_mark
from telemetry.history.spans import machine_zone
from telemetry.models import Metric

# The drawing is stretched to the width of its place; heights and widths are in units of its own.
WIDTH, HEIGHT = 480.0, 100.0
# Scores above this are cut: how far beyond a limit hardly matters to the eye, the limit does.
HIGHEST = 3.0
LIMIT_Y = HEIGHT * (1.0 - 1.0 / HIGHEST)
_NARROWEST = 2.0
_TICKS = 4
_LISTED = 50


def replay_view(told: Told) -> dict[str, Any]:
    """What the page of a back-test shows."""
    replay = told.replay
    metrics = {metric.name: metric for metric in replay.machine.metrics.all()}
    sides = [_side(side, told, metrics) for side in told.sides]
    return {
        "replay": replay,
        "job": JobShown(
            state=replay.state,
            word=_("Waiting for a worker") if replay.state == Replay.State.WAITING else str(replay.get_state_display()),
            title=_("Back-test"),
            share=replay.progress,
            note=_("You may leave this page: it goes on, and is listed on the detector's page."),
        ),
        "zone": machine_zone(replay.machine),
        "from_at": from_ms(replay.from_ms),
        "to_at": from_ms(replay.to_ms),
        "sides": sides,
        "charts": _charts(told, sides),
        "raised": told.raised,
        "raised_lane": [_raised_place(alert, told) for alert in told.raised],
        "ticks": _ticks(told),
        "limit_y": round(LIMIT_Y, 2),
        "rows": _rows(told.sides),
        "criteria": [_criterion(demand) for demand in replay.result.get("criteria", [])],
    }


def curve(score: Sequence[float | None]) -> str:
    """The score's path, one step a bucket; what was not scored is a gap.

    >>> curve([0.0, None, 3.0])
    'M0 100L160 100M320 0L480 0'
    """
    width, path, pen = WIDTH / max(len(score), 1), [], False
    for at, value in enumerate(score):
        if value is None:
            pen = False
            continue
        y = HEIGHT * (1.0 - min(max(value, 0.0), HIGHEST) / HIGHEST)
        path.append(f"{'L' if pen else 'M'}{at * width:.6g} {y:.4g}L{(at + 1) * width:.6g} {y:.4g}")
        pen = True
    return "".join(path)


def judge_word(name: str) -> str:
    """A judge's name for people."""
    words = {
        "levels": _("followed levels"),
        "joint": _("metrics together"),
        "rare": _("rarity"),
        BANDS: _("fixed bands and forest"),
    }
    return words.get(name, name)


def verdict_word(name: str) -> str:
    """What a would-be alert met, for people."""
    if name in Verdict.values:
        return str(Verdict(name).label)
    return _("raised, nobody judged it") if name == "unjudged" else _("not raised then")


def _side(side: Side, told: Told, metrics: dict[str, Metric]) -> dict[str, Any]:
    known = [known_of(alert) for alert in told.raised]
    ends_ms = told.replay.to_ms
    rows = [
        {
            **episode,
            "since_at": from_ms(episode["since_ms"]),
            "told_at": from_ms(episode["told_ms"]),
            "lasted": age(((episode["to_ms"] or ends_ms) - episode["since_ms"]) / 1000),
            "lasts": episode["to_ms"] is None,
            "met": verdict_met(episode, known, to_ms=ends_ms),
            "met_word": verdict_word(verdict_met(episode, known, to_ms=ends_ms)),
            "judges": [{"word": judge_word(part["judge"]), "peak": part["peak"]} for part in episode["judges"]],
            "parts": [
                {**part, "title": part_title(part, metrics.get(part["metric"]) or Metric(name=part["metric"]))}
                for part in episode["metrics"]
            ],
        }
        for episode in side.episodes
    ]
    lane = [_place(row["since_ms"], row["to_ms"] or ends_ms, told) | {"met": row["met"]} for row in rows]
    return {
        "version": side.version,
        "curve": curve(side.score),
        "figures": side.figures,
        "episodes": rows[:_LISTED],
        "more": max(len(rows) - _LISTED, 0),
        "lane": lane,
    }


def _charts(told: Told, sides: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For static/js/modules/replay-charts.js."""
    replay = told.replay
    known = [known_of(alert) for alert in told.raised]
    return {
        "from": replay.from_ms,
        "to": replay.to_ms,
        "zone": machine_zone(replay.machine).key,
        "highest": HIGHEST,
        "sides": [
            {
                "label": str(side.version.version),
                "score": side.score,
                "marks": _marks([(row["since_ms"], row["to_ms"]) for row in shown["episodes"]], replay.to_ms),
            }
            for side, shown in zip(told.sides, sides, strict=True)
        ],
        "raised": _marks([(alert.since_ms, alert.to_ms) for alert in known], replay.to_ms),
        "raisedLabel": _("Raised in truth"),
    }


def _marks(stretches: Sequence[tuple[int, int | None]], end_ms: int) -> list[dict[str, Any]]:
    return [
        {"id": at, "from": since, "to": end_ms if to is None else to, "severity": "high", "title": "", "metrics": []}
        for at, (since, to) in enumerate(stretches)
    ]


def _rows(sides: Sequence[Side]) -> list[dict[str, Any]]:
    """The figures to compare, one row a figure, one cell a version; `better`: which of two is, where one is."""
    figures = [side.figures for side in sides]

    def row(word: str, values: list[float | None], texts: list[str], *, lower: bool) -> dict[str, Any]:
        return {"word": word, "cells": list(zip(texts, _better(values, lower=lower), strict=True))}

    rates = [found.unconfirmed_per_week for found in figures]
    return [
        row(
            _("Known trouble found"),
            [float(found.found) for found in figures],
            [_("%(found)s of %(all)s") % {"found": f.found, "all": f.troubles} for f in figures],
            lower=False,
        ),
        row(
            _("Delay, in the middle"),
            [found.delay_ms for found in figures],
            ["–" if f.delay_ms is None else _delay(f.delay_ms) for f in figures],
            lower=True,
        ),
        row(
            _("False alarms a week, at most"),
            rates,
            ["–" if rate is None else f"{rate:.1f}".replace(".", decimal_mark()) for rate in rates],
            lower=True,
        ),
        row(
            _("Alerts in all"),
            [None] * len(figures),
            [str(found.raised) for found in figures],
            lower=True,
        ),
        row(
            _("Time judged"),
            [None] * len(figures),
            [age(found.weeks * WEEK_MS / 1000) for found in figures],
            lower=False,
        ),
    ]


def _better(values: Sequence[float | None], *, lower: bool) -> list[bool]:
    first = values[0]
    second = values[1] if len(values) == 2 else None
    if first is None or second is None or first == second:
        return [False] * len(values)
    return [(first < second) == lower, (second < first) == lower]


def _delay(delay_ms: float) -> str:
    return age(delay_ms / 1000) if delay_ms >= 0 else _("%(age)s before") % {"age": age(-delay_ms / 1000)}


def _criterion(demand: dict[str, Any]) -> dict[str, Any]:
    words = {
        "found": _("Finds at least as much known trouble"),
        "unconfirmed": _("Raises no more false alarms"),
        "delay": _("Is not more than a minute later"),
        "judged": _("Judges for nearly as long"),
    }
    return {"word": words.get(demand["name"], demand["name"]), "holds": demand["holds"]}


def _place(since_ms: int, to_ms: int, told: Told) -> dict[str, Any]:
    whole = max(told.replay.to_ms - told.replay.from_ms, 1)
    begin = max(since_ms - told.replay.from_ms, 0) / whole * WIDTH
    end = min(to_ms - told.replay.from_ms, whole) / whole * WIDTH
    width = max(end - begin, _NARROWEST)
    return {"x": f"{min(begin, WIDTH - width):.6g}", "width": f"{width:.6g}"}


def _raised_place(alert: Alert, told: Told) -> dict[str, Any]:
    ends = told.replay.to_ms if alert.returned_at is None else ms_of(alert.returned_at)
    return _place(ms_of(alert.since_at), ends, told) | {"met": alert.verdict or "unjudged"}


def _ticks(told: Told) -> list[datetime]:
    from_, step = told.replay.from_ms, (told.replay.to_ms - told.replay.from_ms) / _TICKS
    return [from_ms(round(from_ + step * at)) for at in range(_TICKS + 1)]
