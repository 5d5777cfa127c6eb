from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What an A/B test has exposed is read from an index alone, which only jobs of such tests pay for."""

    atomic = False
    dependencies = [('jobs', '0077_feedback')]

    operations = [
        AddIndexConcurrently(
            "route",
            models.Index(
                "rule",
                "job",
                include=("version", "key"),
                condition=models.Q(arm="ab"),
                name="route_of_ab",
            ),
        )
    ]
