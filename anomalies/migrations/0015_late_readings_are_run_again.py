from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0014_reports_are_an_occasion"),
    ]

    operations = [
        migrations.AlterField(
            model_name="replay",
            name="occasion",
            field=models.CharField(
                choices=[
                    ("asked", "Back-test"),
                    ("challenge", "Newcomer beside the version that judges"),
                    ("late", "Readings that came late"),
                ],
                default="asked",
                max_length=10,
                verbose_name="occasion",
            ),
        ),
        migrations.AlterField(
            model_name="replay",
            name="outcome",
            field=models.CharField(
                blank=True,
                choices=[
                    ("promoted", "Took over"),
                    ("proposed", "Proposed"),
                    ("worse", "Not taken: worse"),
                    ("overtaken", "Overtaken by another version"),
                    ("told", "Looked at"),
                ],
                max_length=10,
                verbose_name="outcome",
            ),
        ),
    ]
