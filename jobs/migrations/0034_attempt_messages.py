"""Messages of failed attempts may quote an input: they leave the audit, which nobody may change, for a table.

What stands in the audit now moves too, so this must run before events are sealed. Plain hashes of edited
inputs go for good: a short input can be guessed from one.
"""

from django.db import migrations, models
from django.db.models.functions import Now

MOVE = """
INSERT INTO jobs_attemptmessage (event_id, job_id, message, at)
SELECT id, job_id, detail ->> 'message', at FROM jobs_event
WHERE kind = 'failed' AND job_id IS NOT NULL AND detail ? 'message';
ALTER TABLE jobs_event DISABLE TRIGGER jobs_event_append_only;
UPDATE jobs_event SET detail = detail - 'message' WHERE kind = 'failed' AND detail ? 'message';
UPDATE jobs_event SET detail = detail - 'input_sha256' WHERE kind = 'replay' AND detail ? 'input_sha256';
ALTER TABLE jobs_event ENABLE TRIGGER jobs_event_append_only;
"""
EMPTY = "DELETE FROM jobs_attemptmessage"


class Migration(migrations.Migration):
    dependencies = [("jobs", "0033_erasure")]
    operations = [
        migrations.CreateModel(
            "AttemptMessage",
            [
                ("event_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("job_id", models.UUIDField()),
                ("message", models.TextField()),
                ("at", models.DateTimeField(db_default=Now())),
            ],
            {"indexes": [models.Index("job_id", name="attempt_message_job")]},
        ),
        migrations.RunSQL(MOVE, EMPTY),
    ]
