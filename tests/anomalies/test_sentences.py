from anomalies.alerts.sentences import part_title
from telemetry.models import Metric


def test_a_table_tells_a_metrics_movement_from_its_level():
    metric = Metric(name="bearing_temperature_c", unit="°C")
    assert part_title({"metric": metric.name, "aspect": "level"}, metric) == "Bearing temperature"
    assert part_title({"metric": metric.name, "aspect": "spread"}, metric) == "Bearing temperature, movement"
    # A limit's evidence has no aspect.
    assert part_title({"metric": metric.name}, metric) == "Bearing temperature"
