"""Attributes get clearer names and help texts; each keeps its column, so the database is not touched."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import jobs.models.queue_standing

MODEL = {"db_column": "queue", "max_length": 63}


def renamed(model: str, old: str, new: str, field: models.Field) -> list:
    """Return the renaming of one attribute whose column stays."""
    return [migrations.RenameField(model, old, new), migrations.AlterField(model, new, field)]


class Migration(migrations.Migration):
    dependencies = [("jobs", "0017_dead_letter_queue_sizes")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex("outbox", "outbox_next"),
                migrations.RemoveIndex("outbox", "outbox_in_flight"),
                migrations.RemoveIndex("deadletter", "dead_letter_groups"),
                migrations.RemoveIndex("deadletter", "dead_letter_due"),
                *renamed("job", "queue", "model", models.CharField(help_text="The model's name.", **MODEL)),
                *renamed("outbox", "queue", "model", models.CharField(**MODEL)),
                *renamed("deadletter", "queue", "model", models.CharField(**MODEL)),
                *renamed(
                    "queuestanding",
                    "queue",
                    "model",
                    models.CharField(
                        help_text="The model's name.", primary_key=True, serialize=False, **MODEL
                    ),
                ),
                migrations.AddIndex(
                    "outbox",
                    models.Index(
                        "model", models.F("priority").desc(), "client", "due", name="outbox_next"
                    ),
                ),
                migrations.AddIndex(
                    "outbox",
                    models.Index(
                        "model", "priority", "client",
                        condition=models.Q(published__gt=0), name="outbox_in_flight",
                    ),
                ),
                migrations.AddIndex(
                    "deadletter",
                    models.Index(
                        "model", "kind", "fingerprint", "created_at",
                        condition=models.Q(discarded_at__isnull=True), name="dead_letter_groups",
                    ),
                ),
                migrations.AddIndex(
                    "deadletter",
                    models.Index(
                        "model", "due", condition=models.Q(due__isnull=False), name="dead_letter_due"
                    ),
                ),
                *renamed(
                    "jobinput",
                    "variant",
                    "parameters_digest",
                    models.PositiveIntegerField(
                        db_column="variant",
                        null=True,
                        help_text="A keyed digest of sealed parameters; empty if they are not sealed.",
                    ),
                ),
                *renamed(
                    "outbox",
                    "variant",
                    "parameters_digest",
                    models.PositiveIntegerField(
                        db_column="variant",
                        db_default=0,
                        help_text="A digest of the parameters: jobs with different digests never run in one batch.",
                    ),
                ),
                *renamed(
                    "outbox",
                    "apart",
                    "isolation_group",
                    models.PositiveIntegerField(
                        db_column="apart",
                        db_default=0,
                        help_text="0, or the group that it runs in without other jobs, because its worker died.",
                    ),
                ),
                *renamed(
                    "batch",
                    "apart",
                    "isolation_group",
                    models.PositiveIntegerField(
                        db_column="apart",
                        db_default=0,
                        help_text="0, or the group whose jobs ran while the worker held no others.",
                    ),
                ),
                *renamed(
                    "delivery",
                    "sent",
                    "requested",
                    models.PositiveIntegerField(
                        db_column="sent",
                        db_default=0,
                        help_text="How often the next attempt was requested, because its message may be lost.",
                    ),
                ),
                *renamed(
                    "delivery",
                    "before",
                    "attempts_before",
                    models.PositiveIntegerField(
                        db_column="before",
                        db_default=0,
                        help_text="Attempts before it was last sent by hand or its job was replayed.",
                    ),
                ),
                migrations.AlterField(
                    model_name='apitoken',
                    name='prefix',
                    field=models.CharField(help_text='The first characters, to distinguish tokens.', max_length=12),
                ),
                migrations.AlterField(
                    model_name='apitoken',
                    name='replaces',
                    field=models.ForeignKey(db_index=False, help_text='The token that it replaces after a rotation.', null=True, on_delete=django.db.models.deletion.SET_NULL, to='jobs.apitoken'),
                ),
                migrations.AlterField(
                    model_name='batch',
                    name='progress',
                    field=models.JSONField(help_text='The newest progress report of each member, by job id.', null=True),
                ),
                migrations.AlterField(
                    model_name='batch',
                    name='waited_s',
                    field=models.FloatField(default=0, help_text='Seconds from the arrival of the oldest item at the worker until the seal.'),
                ),
                migrations.AlterField(
                    model_name='cacheentry',
                    name='key',
                    field=models.BinaryField(help_text='SHA-256 of version, client, input and parameters.', max_length=32, primary_key=True, serialize=False),
                ),
                migrations.AlterField(
                    model_name='cacheentry',
                    name='ttl_s',
                    field=models.FloatField(help_text="Seconds for which the job's result is fresh after its end."),
                ),
                migrations.AlterField(
                    model_name='circuit',
                    name='openings',
                    field=models.PositiveIntegerField(db_default=0, help_text='How often it has opened in a row.'),
                ),
                migrations.AlterField(
                    model_name='circuit',
                    name='probes',
                    field=models.PositiveIntegerField(db_default=5, help_text='Successes that close it.'),
                ),
                migrations.AlterField(
                    model_name='circuit',
                    name='retry_at',
                    field=models.DateTimeField(help_text='When its jobs are tried again; empty: when an operator closes it.', null=True),
                ),
                migrations.AlterField(
                    model_name='circuit',
                    name='succeeded',
                    field=models.PositiveIntegerField(db_default=0, help_text='Successes since it became half open.'),
                ),
                migrations.AlterField(
                    model_name='client',
                    name='bytes_per_s',
                    field=models.PositiveIntegerField(blank=True, help_text='Bytes of input a second; after a pause those of ten seconds at once. Empty: no limit.', null=True),
                ),
                migrations.AlterField(
                    model_name='client',
                    name='most_in_flight',
                    field=models.PositiveIntegerField(blank=True, help_text='Jobs that wait or run at the same time. Empty: no limit.', null=True),
                ),
                migrations.AlterField(
                    model_name='client',
                    name='requests_burst',
                    field=models.PositiveIntegerField(blank=True, help_text='Jobs at once after a pause. Empty: as many as in two seconds.', null=True),
                ),
                migrations.AlterField(
                    model_name='client',
                    name='requests_per_s',
                    field=models.FloatField(blank=True, help_text='Jobs a second, each item of a bulk call counted. Empty: no limit.', null=True),
                ),
                migrations.AlterField(
                    model_name='deadletter',
                    name='due',
                    field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When the message is published, unless it is confirmed before.', null=True),
                ),
                migrations.AlterField(
                    model_name='deadletter',
                    name='published',
                    field=models.PositiveIntegerField(db_default=0, help_text='How often the message was published.'),
                ),
                migrations.AlterField(
                    model_name='deadletter',
                    name='published_at',
                    field=models.DateTimeField(help_text='When the broker confirmed the message.', null=True),
                ),
                migrations.AlterField(
                    model_name='delivery',
                    name='epoch',
                    field=models.PositiveIntegerField(help_text="The epoch of the job's end that it reports.", null=True),
                ),
                migrations.AlterField(
                    model_name='event',
                    name='address',
                    field=models.GenericIPAddressField(help_text='The IP address that it was done from.', null=True),
                ),
                migrations.AlterField(
                    model_name='event',
                    name='token',
                    field=models.PositiveBigIntegerField(help_text='The id of the token that was used.', null=True),
                ),
                migrations.AlterField(
                    model_name='follower',
                    name='key',
                    field=models.BinaryField(help_text='Key of the CacheEntry that names another possible leader.', max_length=32),
                ),
                migrations.AlterField(
                    model_name='job',
                    name='keep_days',
                    field=models.PositiveSmallIntegerField(db_default=30, help_text='Days for which its input and its result are kept.'),
                ),
                migrations.AlterField(
                    model_name='job',
                    name='request_digest',
                    field=models.BinaryField(help_text='SHA-256 of the request, to compare repeats under the same key.', max_length=32, null=True),
                ),
                migrations.AlterField(
                    model_name='job',
                    name='size',
                    field=models.PositiveIntegerField(db_default=0, help_text="The input's length in the model's unit, as a hint."),
                ),
                migrations.AlterField(
                    model_name='jobinput',
                    name='keep_days',
                    field=models.PositiveSmallIntegerField(db_default=30, help_text='Days for which its input and its result are kept.'),
                ),
                migrations.AlterField(
                    model_name='jobresult',
                    name='keep_days',
                    field=models.PositiveSmallIntegerField(db_default=30, help_text='Days for which its input and its result are kept.'),
                ),
                migrations.AlterField(
                    model_name='jobresult',
                    name='source',
                    field=models.UUIDField(help_text='The identical job that ran instead; it may be deleted.', null=True),
                ),
                migrations.AlterField(
                    model_name='outbox',
                    name='client',
                    field=models.PositiveIntegerField(db_default=0, help_text="The owner's id; relay and batches serve clients in turn."),
                ),
                migrations.AlterField(
                    model_name='outbox',
                    name='retry',
                    field=models.BooleanField(db_default=False, help_text="It follows a failed attempt, and counts against its version's retry budget."),
                ),
                migrations.AlterField(
                    model_name='queuestanding',
                    name='answer_s',
                    field=models.FloatField(default=0, help_text="Average seconds from a job's claim to its verdict."),
                ),
                migrations.AlterField(
                    model_name='queuestanding',
                    name='by_client',
                    field=models.JSONField(default=jobs.models.queue_standing.no_clients, help_text='Waiting jobs of each priority by client id, for the largest clients.'),
                ),
                migrations.AlterField(
                    model_name='queuestanding',
                    name='head_age_s',
                    field=django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), help_text='Seconds since the first job of each priority has been due.', size=None),
                ),
                migrations.AlterField(
                    model_name='queuestanding',
                    name='mean_age_s',
                    field=django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), default=jobs.models.queue_standing.no_ages, help_text='The same for the average job.', size=None),
                ),
                migrations.AlterField(
                    model_name='queuestanding',
                    name='per_s',
                    field=models.FloatField(help_text='Jobs that its workers finish a second; empty: unknown.', null=True),
                ),
                migrations.AlterField(
                    model_name='quotabucket',
                    name='given',
                    field=models.FloatField(default=0, help_text='The amount that the last process took.'),
                ),
                migrations.AlterField(
                    model_name='upload',
                    name='name',
                    field=models.CharField(help_text='The name of the object in the storage.', max_length=127),
                ),
                migrations.AlterField(
                    model_name='webhooksecret',
                    name='sealed',
                    field=models.BinaryField(help_text='Encrypted with a key derived from SECRET_KEY.'),
                ),
            ]
        )
    ]
