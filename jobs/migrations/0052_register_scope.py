from django.db import migrations, models
from django.db.models import Q

SCOPES = ["submit", "read", "cancel", "replay", "erase", "register", "admin"]


class Migration(migrations.Migration):
    """Tokens may have the scope `register`."""

    dependencies = [("jobs", "0051_device_uuid")]

    operations = [
        migrations.RemoveConstraint("apitoken", "token_scopes_known"),
        migrations.AddConstraint(
            "apitoken",
            models.CheckConstraint(
                condition=Q(scopes__contained_by=SCOPES) & Q(scopes__len__gt=0), name="token_scopes_known"
            ),
        ),
    ]
