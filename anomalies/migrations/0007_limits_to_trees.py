"""Every limit on one metric becomes a tree of one condition, and the first table of vibration limits is written."""

from django.db import migrations

# ISO 20816-3:2022, RMS velocity in mm/s at the limits between zones A to D.
ZONES = [
    {"group": 1, "support": "rigid", "a_b": 2.3, "b_c": 4.5, "c_d": 7.1},
    {"group": 1, "support": "flexible", "a_b": 3.5, "b_c": 7.1, "c_d": 11.0},
    {"group": 2, "support": "rigid", "a_b": 1.4, "b_c": 2.8, "c_d": 4.5},
    {"group": 2, "support": "flexible", "a_b": 2.3, "b_c": 4.5, "c_d": 7.1},
]


def to_trees(apps, schema_editor):
    rules = apps.get_model("anomalies", "Rule")
    taken = set(rules.objects.exclude(name="").values_list("name", flat=True))
    for rule in rules.objects.filter(name="").select_related("metric__machine"):
        metric, machine = rule.metric, rule.metric.machine
        condition = {"metric": metric.name, "op": rule.operator, "value": rule.value, "for_s": float(rule.for_s)}
        if rule.clear_value is not None:
            condition["clear"] = rule.clear_value
        said = f"{metric.label or metric.name} {rule.operator} {rule.value:g} {metric.unit}".strip()
        name = f"{machine.name or machine.key}: {said}"[:110]
        rule.name = name if name not in taken else f"{name} ({rule.pk})"
        taken.add(rule.name)
        rule.machines, rule.when = [machine.key], {"all": [condition]}
        rule.save(update_fields=["name", "machines", "when"])


def zones(apps, schema_editor):
    tables = apps.get_model("anomalies", "VibrationZones")
    tables.objects.get_or_create(version=1, defaults={"rows": ZONES, "note": "ISO 20816-3:2022"})


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0006_rule_trees")]

    operations = [
        migrations.RunPython(to_trees, migrations.RunPython.noop),
        migrations.RunPython(zones, migrations.RunPython.noop),
    ]
