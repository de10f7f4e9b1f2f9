from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("telemetry", "0001_initial")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="quarantinedreading",
            name="count",
            field=models.PositiveIntegerField(
                default=1,
                help_text="How many refusals this row stands for: floods are counted, not listed.",
                verbose_name="count",
            ),
        ),
    ]
