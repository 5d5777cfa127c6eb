"""Django's entry to the jobs app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class JobsConfig(AppConfig):
    """Jobs, batches, workers, tokens and their API."""

    name = "jobs"

    def ready(self) -> None:
        """Register the checks, the audit of logins, what new connections get, and the clock of objects."""
        from jobs import checks  # noqa: F401
        from jobs.db import database_clock, django_connections
        from jobs.payloads import object_store
        from jobs.services.access import logins
        from models_registry.services.changes import registry_changed

        django_connections.register()
        registry_changed.connect(_note_registry, dispatch_uid="jobs.note_registry")
        post_migrate.connect(_apply_rights, sender=self, dispatch_uid="jobs.apply_rights")
        object_store.use_clock(database_clock.now)
        logins.listen()


def _apply_rights(**_kwargs: Any) -> None:
    from jobs.services.access.database_roles import apply_rights

    apply_rights()


def _note_registry(act: str, actor: str, detail: dict[str, Any], **_kwargs: Any) -> None:
    from jobs.core.access.audit_kinds import AuditKind
    from jobs.services.access.audit import note

    note(AuditKind.REGISTRY, actor=actor, act=act, **detail)
