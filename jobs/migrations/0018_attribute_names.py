"""Attributes get clearer names; each keeps its column, so the database is not touched."""

from django.db import migrations, models

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
                        help_text="A keyed digest of parameters that are sealed; of others it is told from them.",
                    ),
                ),
                *renamed(
                    "outbox",
                    "variant",
                    "parameters_digest",
                    models.PositiveIntegerField(
                        db_column="variant",
                        db_default=0,
                        help_text="A digest of the parameters: what differs in it shares no batch.",
                    ),
                ),
                *renamed(
                    "outbox",
                    "apart",
                    "isolation_group",
                    models.PositiveIntegerField(
                        db_column="apart",
                        db_default=0,
                        help_text="0, or the group that it runs in, alone: it was in hand when a worker died.",
                    ),
                ),
                *renamed(
                    "batch",
                    "apart",
                    "isolation_group",
                    models.PositiveIntegerField(
                        db_column="apart",
                        db_default=0,
                        help_text="0, or the group whose jobs it ran with nothing else in the worker's hands.",
                    ),
                ),
                *renamed(
                    "delivery",
                    "sent",
                    "requested",
                    models.PositiveIntegerField(
                        db_column="sent",
                        db_default=0,
                        help_text="How often the next attempt was asked for: its message may be lost.",
                    ),
                ),
                *renamed(
                    "delivery",
                    "before",
                    "attempts_before",
                    models.PositiveIntegerField(
                        db_column="before",
                        db_default=0,
                        help_text="Attempts before it was last sent by hand, or its job replayed.",
                    ),
                ),
            ]
        )
    ]
