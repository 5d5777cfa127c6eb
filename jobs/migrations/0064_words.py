from django.db import migrations


def named(model: str, one: str, many: str = "") -> migrations.AlterModelOptions:
    plural = {"verbose_name_plural": many} if many else {}
    return migrations.AlterModelOptions(model, {"verbose_name": one, **plural})


class Migration(migrations.Migration):
    """Names of rows in the words of the glossary, as the admin shows them; no statement is run."""

    dependencies = [("jobs", "0063_tracestate")]

    operations = [
        named("apitoken", "API token"),
        named("canaryreplay", "replay of dead jobs", "replays of dead jobs"),
        named("delivery", "webhook delivery", "webhook deliveries"),
        named("disabledendpoint", "disabled webhook address", "disabled webhook addresses"),
        named("event", "audit event"),
        named("queuestanding", "queue"),
    ]
