from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0011_detector_studio"),
    ]

    operations = [
        migrations.AddField(
            model_name="machinehealth",
            name="unsettled",
            field=models.JSONField(blank=True, default=list, editable=False, verbose_name="not settled"),
        ),
    ]
