"""Limits of one metric go, now that every rule is a tree."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0007_limits_to_trees")]

    operations = [
        migrations.AlterModelOptions(name="rule", options={"ordering": ["name"]}),
        migrations.RemoveField(model_name="rule", name="metric"),
        migrations.RemoveField(model_name="rule", name="operator"),
        migrations.RemoveField(model_name="rule", name="value"),
        migrations.RemoveField(model_name="rule", name="clear_value"),
        migrations.RemoveField(model_name="rule", name="for_s"),
        migrations.AlterField(
            model_name="rule", name="name", field=models.CharField(max_length=120, unique=True, verbose_name="name")
        ),
        migrations.AlterField(
            model_name="rule",
            name="active",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Days, hours, dates and holidays in plant time.",
                verbose_name="active times",
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="cooldown_s",
            field=models.FloatField(
                default=0,
                help_text="After it has fired it does not fire again for so long.",
                verbose_name="cool-down (s)",
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="created_at",
            field=models.DateTimeField(auto_now_add=True, verbose_name="made"),
        ),
        migrations.AlterField(
            model_name="rule",
            name="description",
            field=models.TextField(blank=True, max_length=1000, verbose_name="description"),
        ),
        migrations.AlterField(
            model_name="rule",
            name="enabled",
            field=models.BooleanField(default=True, verbose_name="switched on"),
        ),
        migrations.AlterField(
            model_name="rule",
            name="machines",
            field=models.JSONField(
                default=list,
                help_text="Keys, “type:pump” for all of a type, or “*” for every machine.",
                verbose_name="machines",
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="notify",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Who is told, in place of the factory's routes.",
                verbose_name="notify",
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="overrides",
            field=models.JSONField(
                blank=True, default=list, help_text="What is different for single machines.", verbose_name="overrides"
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="updated_at",
            field=models.DateTimeField(auto_now=True, verbose_name="changed"),
        ),
        migrations.AlterField(
            model_name="rule",
            name="when",
            field=models.JSONField(default=dict, help_text="The tree of conditions.", verbose_name="when"),
        ),
    ]
