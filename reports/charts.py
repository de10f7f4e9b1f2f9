"""Trend charts for print: one picture a machine, a panel a metric, all in the same hand.

matplotlib is imported where it draws, and only by its object interface: worker threads share no pyplot state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from telemetry.readings import Float64Array, Int64Array

DPI = 200
WIDTH_IN = 6.9
# A picture leaves room on its page for the key figures above and a few alerts below.
_PICTURE_IN, _PANEL_MOST_IN, _AXIS_IN = 5.2, 1.2, 0.42
_PANELS_MOST = 7

# The product's light palette (static/css/tokens.css), as print needs it: opaque and a little darker.
INK, SOFT, FAINT, GRID = "#14191d", "#414a52", "#6d7881", "#dfe3e6"
SERIES, ENVELOPE, BAND = "#0a6070", "#bcd7dc", "#eceff1"
SEVERITY = {"critical": "#bf1d1d", "high": "#b44a07", "medium": "#c79a10", "low": "#3c5bb0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartMetric:
    """One panel: columns of equal length, bucket starts ascending. normal: the band learnt, low and high."""

    label: str
    unit: str
    t_ms: Int64Array
    minimum: Float64Array
    maximum: Float64Array
    mean: Float64Array
    normal: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which an alert was active."""

    severity: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineChart:
    """Everything that one machine's picture shows. title: what it is a close-up of; empty for the whole period."""

    from_ms: int
    to_ms: int
    time_zone: str
    metrics: Sequence[ChartMetric]
    stretches: Sequence[Stretch] = field(default_factory=tuple)
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """One machine's drawn charts as PNG: the period's trends, and a close-up of its worst alert where there was one."""

    trends: Sequence[bytes] = ()
    close_up: Sequence[bytes] = ()
    close_up_title: str = ""


def draw_machine(chart: MachineChart) -> list[bytes]:
    """The pictures as PNG at print resolution, each at most as high as a page takes.

    Empty where no metric has a reading, so that no empty frame is printed.
    """
    drawn = [metric for metric in chart.metrics if len(metric.t_ms)]
    pictures = -(-len(drawn) // _PANELS_MOST)
    share = -(-len(drawn) // pictures) if pictures else 0
    return [_draw_picture(drawn[place : place + share], chart) for place in range(0, len(drawn), share or 1)]


def draw_pictures(trends: MachineChart, close_up: MachineChart | None) -> Pictures:
    """Both charts of a machine."""
    return Pictures(
        trends=draw_machine(trends),
        close_up=draw_machine(close_up) if close_up else (),
        close_up_title=close_up.title if close_up else "",
    )


def _draw_picture(drawn: Sequence[ChartMetric], chart: MachineChart) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panel_in = min(_PANEL_MOST_IN, _PICTURE_IN / len(drawn))
    height_in = panel_in * len(drawn) + _AXIS_IN
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for panel, metric in zip(panels, drawn, strict=True):
        _draw_metric(panel, metric, chart)
    _style_time_axis(panels[-1], chart)
    bottom, top = 0.34 / height_in, 1.0 - 0.17 / height_in
    figure.subplots_adjust(left=0.075, right=0.98, bottom=bottom, top=top, hspace=0.24 / (panel_in - 0.24))
    return _compact(canvas)


def _compact(canvas: Any) -> bytes:
    """The drawing as a PNG with a palette of its own: a third of the size, and nothing the eye misses."""
    from PIL import Image

    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture = BytesIO()
    drawn.quantize(128).save(picture, format="png")
    return picture.getvalue()


def _draw_metric(panel: Any, metric: ChartMetric, chart: MachineChart) -> None:
    at, low, high, mean = with_gaps(metric)
    times = [datetime.fromtimestamp(t / 1000, UTC) for t in at.tolist()]
    if metric.normal is not None:
        panel.axhspan(*metric.normal, color=BAND, linewidth=0, zorder=0)
    for stretch in chart.stretches:
        _draw_stretch(panel, stretch, chart)
    panel.fill_between(times, low, high, color=ENVELOPE, linewidth=0.4, edgecolor=ENVELOPE, zorder=2)
    # A bucket between two gaps is a line of no length: the mark keeps it visible.
    panel.plot(times, mean, color=SERIES, linewidth=0.8, marker=".", markersize=0.8, zorder=3)
    unit = f"  {metric.unit}" if metric.unit else ""
    # Names come from devices: "$" must not start a formula.
    panel.set_title(f"{metric.label}{unit}", loc="left", fontsize=6.8, color=INK, pad=2.5, parse_math=False)
    _style_panel(panel)
    _leave_air(panel, metric)


def with_gaps(metric: ChartMetric) -> tuple[Int64Array, Float64Array, Float64Array, Float64Array]:
    """The columns with a NaN row in each hole, so that a line is not drawn across time without readings."""
    t_ms = metric.t_ms
    columns = (metric.minimum, metric.maximum, metric.mean)
    if len(t_ms) < 2:
        return (t_ms, *columns)
    steps = np.diff(t_ms)
    holes = np.flatnonzero(steps > 2.5 * np.median(steps)) + 1
    filled = [np.insert(column, holes, np.nan) for column in columns]
    return np.insert(t_ms, holes, t_ms[holes - 1] + 1), filled[0], filled[1], filled[2]


def _draw_stretch(panel: Any, stretch: Stretch, chart: MachineChart) -> None:
    # Minutes would vanish in a week: a mark is never thinner than a pencil line.
    least = (chart.to_ms - chart.from_ms) // 160
    end = min(max(stretch.to_ms, stretch.from_ms + least), chart.to_ms)
    begin = max(min(stretch.from_ms, end - least), chart.from_ms)
    colour = SEVERITY.get(stretch.severity, FAINT)
    left, right = (datetime.fromtimestamp(t / 1000, UTC) for t in (begin, end))
    panel.axvspan(left, right, color=colour, alpha=0.22, linewidth=0, zorder=1)
    panel.plot(
        [left, right],
        [0, 0],
        transform=panel.get_xaxis_transform(),
        color=colour,
        linewidth=2.2,
        zorder=4,
        solid_capstyle="butt",
        clip_on=False,
    )


def _style_panel(panel: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set(color=FAINT, linewidth=0.5)
    panel.yaxis.set_major_locator(MaxNLocator(nbins=3))
    panel.ticklabel_format(axis="y", useOffset=False)
    panel.grid(axis="y", color=GRID, linewidth=0.5)
    panel.set_axisbelow(True)
    panel.tick_params(axis="both", labelsize=6, colors=SOFT, length=0, pad=2)
    panel.tick_params(axis="x", which="major", length=2, width=0.5, color=FAINT)


def _leave_air(panel: Any, metric: ChartMetric) -> None:
    low, high = float(np.nanmin(metric.minimum)), float(np.nanmax(metric.maximum))
    air = 0.08 * (high - low) or max(abs(high) * 0.05, 0.5)
    panel.set_ylim(low - air, high + air)


def _style_time_axis(panel: Any, chart: MachineChart) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    zone = ZoneInfo(chart.time_zone)
    panel.set_xlim(*(datetime.fromtimestamp(t / 1000, UTC) for t in (chart.from_ms, chart.to_ms)))
    locator = AutoDateLocator(tz=zone, minticks=4, maxticks=9)
    panel.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(
        locator,
        tz=zone,
        show_offset=False,
        formats=["%Y", "%b", "%a %-d", "%H:%M", "%H:%M", "%S"],
        zero_formats=["", "%Y", "%-d %b", "%a %-d", "%H:%M", "%H:%M"],
    )
    panel.xaxis.set_major_formatter(formatter)
    panel.set_xlabel(chart.time_zone, fontsize=6, color=FAINT, loc="right", labelpad=1)
