"""Room for rules that are trees of conditions, and for what they need besides."""

import django.db.models.deletion
from django.db import migrations, models

NOW = "2026-11-21T00:00:00Z"


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0005_alert_event_verdicts"),
        ("telemetry", "0004_metric_reviewed_at"),
    ]

    operations = [
        migrations.RenameField(model_name="rule", old_name="active", new_name="enabled"),
        migrations.AddField(model_name="rule", name="name", field=models.CharField(default="", max_length=120)),
        migrations.AddField(
            model_name="rule", name="description", field=models.TextField(blank=True, default="", max_length=1000)
        ),
        migrations.AddField(model_name="rule", name="machines", field=models.JSONField(default=list)),
        migrations.AddField(model_name="rule", name="when", field=models.JSONField(default=dict)),
        migrations.AddField(model_name="rule", name="cooldown_s", field=models.FloatField(default=0)),
        migrations.AddField(model_name="rule", name="active", field=models.JSONField(blank=True, default=dict)),
        migrations.AddField(model_name="rule", name="notify", field=models.JSONField(blank=True, default=list)),
        migrations.AddField(model_name="rule", name="overrides", field=models.JSONField(blank=True, default=list)),
        migrations.AddField(
            model_name="rule", name="template", field=models.JSONField(blank=True, default=dict, editable=False)
        ),
        migrations.AddField(
            model_name="rule", name="created_at", field=models.DateTimeField(auto_now_add=True, default=NOW)
        ),
        migrations.AddField(model_name="rule", name="updated_at", field=models.DateTimeField(auto_now=True)),
        migrations.CreateModel(
            name="LateReadings",
            fields=[
                (
                    "machine",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="telemetry.machine",
                    ),
                ),
                ("from_ms", models.BigIntegerField()),
                ("count", models.PositiveIntegerField(default=1)),
            ],
        ),
        migrations.CreateModel(
            name="VibrationZones",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField(unique=True, verbose_name="version")),
                ("rows", models.JSONField(verbose_name="limits")),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                ("made_by", models.CharField(blank=True, max_length=254, verbose_name="made by")),
                ("made_at", models.DateTimeField(auto_now_add=True, verbose_name="made")),
            ],
            options={
                "verbose_name": "vibration limits",
                "verbose_name_plural": "vibration limits",
                "ordering": ["-version"],
            },
        ),
    ]
