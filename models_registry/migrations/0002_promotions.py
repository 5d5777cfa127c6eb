"""Who moved which alias, in rows that cannot be changed."""

from django.db import migrations, models
from django.db.models.functions import Now

PROTECT = """
CREATE FUNCTION models_registry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP IN ('DELETE', 'TRUNCATE') AND current_setting('inference.retention', true) = 'on' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER promotion_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON models_registry_promotion
  FOR EACH STATEMENT EXECUTE FUNCTION models_registry_append_only();
"""
UNPROTECT = """
DROP TRIGGER promotion_append_only ON models_registry_promotion;
DROP FUNCTION models_registry_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0001_first")]
    operations = [
        migrations.CreateModel(
            name="Promotion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("model", models.CharField(max_length=63)),
                ("alias", models.CharField(max_length=63)),
                (
                    "before",
                    models.CharField(
                        blank=True, default="", help_text="Empty: the alias was made.", max_length=63
                    ),
                ),
                ("after", models.CharField(max_length=63)),
                ("actor", models.CharField(max_length=127)),
                ("address", models.GenericIPAddressField(help_text="Empty for a command.", null=True)),
                ("at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.RunSQL(PROTECT, UNPROTECT),
    ]
