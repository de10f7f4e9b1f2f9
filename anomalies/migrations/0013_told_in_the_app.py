from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0012_machine_unsettled"),
    ]

    operations = [
        migrations.AddField(
            model_name="contactpreference",
            name="in_app",
            field=models.BooleanField(default=True, verbose_name="In the app"),
        ),
        migrations.AddField(
            model_name="contactpreference",
            name="in_app_from",
            field=models.CharField(default="low", max_length=10, verbose_name="In the app from"),
        ),
    ]
