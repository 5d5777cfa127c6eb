"""A job's cache entry is found by the job, whose input may change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0019_outbox_from_a_time")]
    operations = [
        migrations.AddIndex("cacheentry", models.Index("job", name="cache_entry_job")),
    ]
