"""The outbox says whose job it is and which parameters it has, so that a batcher can be fair and group."""

from django.db import migrations, models

FORWARD = """
UPDATE jobs_outbox AS outbox
SET client = job.client_id,
    variant = COALESCE(CAST(CAST('x' || left(md5(input.parameters), 7) AS bit(28)) AS int), 0)
FROM jobs_job AS job JOIN jobs_jobinput AS input ON input.job_id = job.id
WHERE job.id = outbox.job_id;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_storage")]
    operations = [
        migrations.AddField(
            "outbox",
            "client",
            models.PositiveIntegerField(
                db_default=0, help_text="The owner's id; the worker's batches are fair."
            ),
        ),
        migrations.AddField(
            "outbox",
            "variant",
            models.PositiveIntegerField(
                db_default=0,
                help_text="A digest of the parameters: what differs in it shares no batch.",
            ),
        ),
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
    ]
