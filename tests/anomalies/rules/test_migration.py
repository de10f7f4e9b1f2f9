"""Limits of one metric, as they were, become trees that the validator takes."""

from importlib import import_module
from types import SimpleNamespace

from anomalies.rules.validation import rule_parse

migration = import_module("anomalies.migrations.0007_limits_to_trees")


class Rows(list):
    """As much of a manager as the migration asks for."""

    def filter(self, **_asked):
        return self

    def exclude(self, **_asked):
        return self

    def values_list(self, *_asked, **_more):
        return []

    def select_related(self, *_asked):
        return self


def limit(pk, *, operator="above", value=7.1, clear=None):
    machine = SimpleNamespace(key="M01", name="Mixer 1")
    metric = SimpleNamespace(name="vibration_mm_s", label="Vibration", unit="mm/s", machine=machine)
    rule = SimpleNamespace(pk=pk, metric=metric, operator=operator, value=value, clear_value=clear, for_s=10, name="")
    rule.save = lambda **_asked: None
    return rule


def test_a_limit_becomes_a_tree_of_one_condition_with_a_name_of_its_own():
    rows = Rows([limit(1, clear=6.5), limit(2), limit(3, operator="below", value=0.5)])
    models = {"Rule": SimpleNamespace(objects=rows)}
    migration.to_trees(SimpleNamespace(get_model=lambda _app, name: models[name]), None)
    assert [row.name for row in rows] == [
        "Mixer 1: Vibration above 7.1 mm/s",
        "Mixer 1: Vibration above 7.1 mm/s (2)",
        "Mixer 1: Vibration below 0.5 mm/s",
    ]
    assert rows[0].when == {
        "all": [{"metric": "vibration_mm_s", "op": "above", "value": 7.1, "for_s": 10.0, "clear": 6.5}]
    }
    for row in rows:
        rule_parse({"name": row.name, "machines": row.machines, "when": row.when})
