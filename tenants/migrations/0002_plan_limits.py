from typing import ClassVar

import django.core.validators
from django.db import migrations, models

_at_least = django.core.validators.MinValueValidator
_at_most = django.core.validators.MaxValueValidator


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tenants", "0001_initial")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="plan",
            name="max_series",
            field=models.PositiveIntegerField(
                default=10_000,
                help_text="One metric of one machine is one series.",
                verbose_name="metrics of all machines",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="max_body_bytes",
            field=models.PositiveIntegerField(
                default=1_048_576,
                help_text="Of a request or an MQTT message, also after inflation; 1 MiB at most.",
                validators=[_at_least(1_024), _at_most(1_048_576)],
                verbose_name="bytes in one body",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="accepted_past_days",
            field=models.PositiveSmallIntegerField(
                default=7,
                help_text="Older readings go to quarantine.",
                validators=[_at_least(1), _at_most(3_650)],
                verbose_name="days back",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="accepted_ahead_minutes",
            field=models.PositiveSmallIntegerField(
                default=10,
                help_text="Readings from further in the future go to quarantine.",
                validators=[_at_least(1), _at_most(1_440)],
                verbose_name="minutes ahead",
            ),
        ),
        migrations.AlterField(
            model_name="plan",
            name="max_readings_per_s",
            field=models.PositiveIntegerField(
                default=5_000,
                help_text="Over all doors, processes and nodes together.",
                validators=[_at_least(1)],
                verbose_name="readings per second",
            ),
        ),
    ]
