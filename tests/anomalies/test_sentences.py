from django.utils import translation

from anomalies.alerts.sentences import part_title
from anomalies.alerts.words import words_read
from telemetry.models import Metric


def test_a_table_tells_a_metrics_movement_from_its_level():
    metric = Metric(name="bearing_temperature_c", unit="°C")
    assert part_title({"metric": metric.name, "aspect": "level"}, metric) == "Bearing temperature"
    assert part_title({"metric": metric.name, "aspect": "spread"}, metric) == "Bearing temperature, movement"
    # A limit's evidence has no aspect.
    assert part_title({"metric": metric.name}, metric) == "Bearing temperature"


def test_an_old_alert_names_metrics_as_they_are_called_by_now():
    said = {"de": {"title": "Bearing temperature über normal", "summary": "Bearing temperature 91,0 °C, seit 10:42"}}
    part = {"metric": "bearing_temperature_c", "unit": "°C", "observed": 91.0}
    with translation.override("de"):
        heading, sentence = words_read("Bearing temperature above normal", "…", {"said": said, "metrics": [part]})
        assert (heading, sentence) == ("Lagertemperatur über normal", "Lagertemperatur 91,0 °C, seit 10:42")
        # What a person called a rule stays as it was called.
        of_rule = words_read("…", "…", {"said": said, "metrics": [{**part, "op": ">"}]})
        assert of_rule == ("Bearing temperature über normal", sentence)
    assert words_read("Hot", "98 °C", {"said": said, "metrics": [part]}) == ("Hot", "98 °C")
