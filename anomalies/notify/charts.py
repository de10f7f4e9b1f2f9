"""The evidence of an alert as a small picture for a mail: what was measured, its normal band, and since when.

matplotlib is imported where it draws, and only by its object interface: worker threads share no pyplot state.
"""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

from anomalies.alerts.sentences import metric_title
from anomalies.models import Alert
from anomalies.notify.reader import ANYBODY, Reader
from common import clock
from common.times import to_ms
from common.units import Conversion, conversion
from telemetry.figures import decimal_mark
from telemetry.history.series import series_read
from telemetry.history.spans import machine_zone
from telemetry.models import Metric
from telemetry.store.base import Buckets, StoreUnavailableError

_log = structlog.get_logger(__name__)

# Shown before the first sign, and after it at the most.
_BEFORE, _AFTER = timedelta(minutes=20), timedelta(minutes=40)
_POINTS = 240
_PANELS = 2
_WIDTH_IN, _PANEL_IN, _AXIS_IN, _DPI = 5.0, 1.25, 0.32, 150
# All recipients of one message get one drawing.
_KEPT_S = 120
# The product's light palette (static/css/tokens.css): a mail has no dark theme that all programs know.
_INK, _FAINT, _GRID, _LINE, _ENVELOPE, _BAND = "#14191d", "#6d7881", "#dfe3e6", "#0a6070", "#bcd7dc", "#e3e8eb"
_SEVERITY = {"critical": "#bf1d1d", "high": "#b44a07", "medium": "#c79a10", "low": "#3c5bb0"}


def evidence_chart(alert: Alert, reader: Reader = ANYBODY) -> bytes | None:
    """The picture as PNG, in the reader's units and with the decimal mark of the language that is spoken.

    None where the alert names no metric, nothing was measured, or the store is away.
    """
    key = ".".join(("evidence", str(alert.pk), alert.state, alert.severity, *reader.kept().values()))
    kept = _cached(key)
    if kept is not None:
        return kept or None
    try:
        picture = _picture(alert, reader)
    except StoreUnavailableError as error:
        # The words say it all; a mail is not held up for a picture.
        _log.warning("evidence_chart_left_out", alert=alert.pk, error=str(error))
        return None
    try:
        cache.set(key, picture or b"", timeout=_KEPT_S)
    except RedisError as error:
        _log.warning("evidence_chart_not_kept", alert=alert.pk, error=str(error))
    return picture


def charts_warm() -> None:
    """Load what drawing needs, and draw something nobody sees."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1), dpi=50)
    canvas = FigureCanvasAgg(figure)
    panel: Any = figure.subplots()
    panel.axvline(clock.now())
    _draw_time(panel, clock.now() - _BEFORE, clock.now(), ZoneInfo("UTC"))
    _compact(canvas)


def _cached(key: str) -> bytes | None:
    try:
        kept: bytes | None = cache.get(key)
    except RedisError:
        return None
    return kept


def _picture(alert: Alert, reader: Reader) -> bytes | None:
    parts = [part for part in alert.evidence.get("metrics", []) if part.get("metric")][:_PANELS]
    if not parts:
        return None
    begin = alert.since_at - _BEFORE
    end = min(max(clock.now(), alert.since_at + timedelta(seconds=30)), alert.since_at + _AFTER)
    names = [part["metric"] for part in parts]
    buckets = series_read(alert.machine, names, from_ms=to_ms(begin), to_ms=to_ms(end), points=_POINTS)
    drawn = [(part, found) for part, found in zip(parts, buckets, strict=True) if len(found.t_ms)]
    return _draw(alert, drawn, begin, end, reader) if drawn else None


def _draw(
    alert: Alert, drawn: list[tuple[dict[str, Any], Buckets]], begin: datetime, end: datetime, reader: Reader
) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height_in = _PANEL_IN * len(drawn) + _AXIS_IN
    figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    metrics = {metric.name: metric for metric in Metric.objects.filter(machine=alert.machine)}
    for panel, (part, found) in zip(panels, drawn, strict=True):
        metric = metrics.get(part["metric"]) or Metric(name=part["metric"], unit=part.get("unit", ""))
        _draw_panel(panel, part, found, metric, conversion(metric.unit, reader.units))
        colour = _SEVERITY.get(alert.severity, _INK)
        panel.axvline(alert.since_at, color=colour, linewidth=1.1, zorder=4)
    _draw_time(panels[-1], begin, end, machine_zone(alert.machine))
    figure.subplots_adjust(
        left=0.09, right=0.985, bottom=0.3 / height_in, top=1 - 0.2 / height_in, hspace=0.3 / (_PANEL_IN - 0.3)
    )
    return _compact(canvas)


def _draw_panel(panel: Any, part: dict[str, Any], found: Buckets, metric: Metric, into: Conversion) -> None:
    times = [datetime.fromtimestamp(t / 1000, UTC) for t in found.t_ms.tolist()]
    low, high = part.get("expected") or (None, None)
    if low is not None and high is not None and part.get("aspect", "level") == "level":
        panel.axhspan(into.value(low), into.value(high), color=_BAND, linewidth=0, zorder=0)
    if part.get("limit") is not None:
        panel.axhline(into.value(part["limit"]), color=_FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    least, most = into.values(found.minimum), into.values(found.maximum)
    panel.fill_between(times, least, most, color=_ENVELOPE, linewidth=0.3, zorder=2)
    panel.plot(times, into.values(found.mean), color=_LINE, linewidth=1.0, zorder=3)
    title = metric_title(metric) + (f"  {into.unit}" if into.unit else "")
    # Names come from devices: "$" must not start a formula.
    panel.set_title(title, loc="left", fontsize=7, color=_INK, pad=3, parse_math=False)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set(color=_FAINT, linewidth=0.5)
    panel.grid(axis="y", color=_GRID, linewidth=0.5)
    panel.locator_params(axis="y", nbins=3)
    panel.yaxis.set_major_formatter(lambda value, _place: f"{value:g}".replace(".", decimal_mark()))
    panel.tick_params(axis="both", labelsize=6, colors=_FAINT, length=0, pad=2)
    if not np.ptp(found.mean):
        panel.margins(y=0.4)


def _draw_time(panel: Any, begin: datetime, end: datetime, zone: ZoneInfo) -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter

    panel.set_xlim(begin, end)
    panel.xaxis.set_major_locator(AutoDateLocator(tz=zone, minticks=3, maxticks=7))
    panel.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=zone))
    panel.set_xlabel(f"{begin.astimezone(zone):%Z}", fontsize=6, color=_FAINT, loc="right", labelpad=0)


def _compact(canvas: Any) -> bytes:
    from PIL import Image

    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture = BytesIO()
    drawn.quantize(64).save(picture, format="png", optimize=True)
    return picture.getvalue()
