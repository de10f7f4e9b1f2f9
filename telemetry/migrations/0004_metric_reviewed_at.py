from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("telemetry", "0003_runs_and_hours")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="metric",
            name="reviewed_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When its readings were last looked at.",
                null=True,
                verbose_name="reviewed",
            ),
        ),
    ]
