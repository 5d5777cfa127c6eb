"""The secret part of the channels' names, and the function that makes a name of it."""

from django.db import migrations, models

FUNCTION = """
CREATE FUNCTION jobs_channel(channel text) RETURNS text LANGUAGE sql STABLE AS
  'SELECT channel || ''_'' || secret FROM jobs_channelsecret LIMIT 1';
REVOKE ALL ON FUNCTION jobs_channel(text) FROM PUBLIC;
INSERT INTO jobs_channelsecret (id, secret) VALUES (1, replace(gen_random_uuid()::text, '-', ''));
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0041_payload_keys")]
    operations = [
        migrations.CreateModel(
            "ChannelSecret",
            [
                ("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("secret", models.CharField(max_length=32)),
            ],
        ),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION jobs_channel(text)"),
    ]
