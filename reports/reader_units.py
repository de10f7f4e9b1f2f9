"""A report's figures in the units that a reader chose; what is filed, and hashed, stays as measured."""

from dataclasses import replace

from common.units import UnitSystem, conversion
from reports.charts import ChartMetric, MachineChart
from reports.contents import Document
from telemetry.viewing.sentences import sentence_in

_FIGURES = ("minimum", "mean", "maximum", "last")
_SENTENCES = ("title", "summary")


def contents_in(contents: Document, system: UnitSystem) -> Document:
    """The contents with metrics' figures, and those inside sentences of alerts, converted; itself for stored units."""
    if system is UnitSystem.STORED:
        return contents
    ranked = [{**entry, "reasons": _told(entry["reasons"], system)} for entry in contents["look_first"]]
    machines = [_machine_in(machine, system) for machine in contents["machines"]]
    return {**contents, "look_first": ranked, "machines": machines}


def chart_in(chart: MachineChart, system: UnitSystem) -> MachineChart:
    """The chart with every panel in the reader's units."""
    if system is UnitSystem.STORED:
        return chart
    panels = [_panel_in(metric, system) for metric in chart.metrics]
    return replace(chart, metrics=panels, title=sentence_in(chart.title, system))


def _machine_in(machine: Document, system: UnitSystem) -> Document:
    metrics = [_metric_in(metric, system) for metric in machine["metrics"]]
    return {**machine, "metrics": metrics, "alerts": _told(machine["alerts"], system)}


def _metric_in(metric: Document, system: UnitSystem) -> Document:
    into = conversion(metric["unit"], system)
    figures = {name: None if metric[name] is None else into.value(metric[name]) for name in _FIGURES}
    return {**metric, **figures, "unit": into.unit}


def _told(rows: list[Document], system: UnitSystem) -> list[Document]:
    return [
        {name: sentence_in(value, system) if name in _SENTENCES else value for name, value in row.items()}
        for row in rows
    ]


def _panel_in(metric: ChartMetric, system: UnitSystem) -> ChartMetric:
    into = conversion(metric.unit, system)
    normal = None if metric.normal is None else (into.value(metric.normal[0]), into.value(metric.normal[1]))
    return replace(
        metric,
        unit=into.unit,
        normal=normal,
        minimum=into.values(metric.minimum),
        maximum=into.values(metric.maximum),
        mean=into.values(metric.mean),
    )
