from django.db import migrations, models

_OCCASIONS = [
    ("raised", "Raised"),
    ("returned", "Back to normal"),
    ("escalated", "Escalated"),
    ("group", "Many alerts together"),
    ("test", "Test"),
    ("code", "Confirmation code"),
    ("report", "Report ready"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0013_told_in_the_app"),
    ]

    operations = [
        migrations.AlterField(
            model_name="notice",
            name="occasion",
            field=models.CharField(choices=_OCCASIONS, max_length=10),
        ),
        migrations.AlterField(
            model_name="notification",
            name="occasion",
            field=models.CharField(choices=_OCCASIONS, default="raised", max_length=10, verbose_name="about"),
        ),
    ]
