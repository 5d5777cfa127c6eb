"""Django's entry to the jobs app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class JobsConfig(AppConfig):
    """Jobs, batches, workers, tokens and their API."""

    name = "jobs"
    verbose_name = "Platform"

    def ready(self) -> None:
        """Register the checks and the audit of logins; give connections, objects and keys what they need."""
        from jobs import checks  # noqa: F401
        from jobs.db import database_clock, django_connections
        from jobs.exporting.build_info import show_build
        from jobs.payloads import object_store, vault
        from jobs.services.access import logins
        from jobs.services.access.data_key_rows import StoredDataKeys
        from jobs.services.lifecycle.loaded_versions import workers_without
        from models_registry.services.changes import registry_changed, version_asked

        show_build()
        django_connections.register()
        registry_changed.connect(_note_registry, dispatch_uid="jobs.note_registry")
        version_asked.connect(workers_without, dispatch_uid="jobs.workers_without")
        post_migrate.connect(_apply_rights, sender=self, dispatch_uid="jobs.apply_rights")
        object_store.use_clock(database_clock.now)
        vault.use_rows(StoredDataKeys())
        logins.listen()


def _apply_rights(**_kwargs: Any) -> None:
    from jobs.services.access.database_roles import apply_rights

    apply_rights()


def _note_registry(act: str, actor: str, detail: dict[str, Any], **_kwargs: Any) -> None:
    from jobs.core.access.audit_kinds import AuditKind
    from jobs.services.access.audit import note

    note(AuditKind.REGISTRY, actor=actor, act=act, **detail)
