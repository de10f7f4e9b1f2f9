from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0005_viewing_and_notebook")]

    operations = [
        migrations.AddField(
            model_name="machine",
            name="metrics_deleted",
            field=models.JSONField(
                default=dict,
                editable=False,
                help_text="How often a metric of each name was deleted.",
                verbose_name="deleted metrics",
            ),
        ),
    ]
