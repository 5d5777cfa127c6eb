"""A model's page: its versions with their states, its aliases, and its roll-outs."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import Q
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.links import registry_link
from jobs.admin.rollouts.rollout_columns import rollouts_of, rollouts_table
from models_registry.admin.registry import RegisteredModelAdmin
from models_registry.models import RegisteredModel
from models_registry.shared.admin_render import table

VERSIONS_SHOWN = 100
admin.site.unregister(RegisteredModel)


@admin.register(RegisteredModel)
class RolledOutModelAdmin(RegisteredModelAdmin):
    """A model, and how its versions come and go."""

    fields: ClassVar[tuple[str, ...]] = (
        "name", "description", "created_at", "approvals", "versions", "aliases", "rollouts", "rules", "jobs",
    )  # fmt: skip
    readonly_fields = ("versions", "aliases", "rollouts", "rules", "jobs")

    def versions(self, model: RegisteredModel) -> SafeString:
        """Return the versions, newest first, each with its state."""
        rows = model.versions.order_by("-id")[:VERSIONS_SHOWN]
        cells = (
            (
                registry_link("modelversion", row.pk, row.version),
                format_html('<span class="state state-{}">{}</span>', row.state, row.state),
                row.loader, row.max_batch, row.created_at,
            )
            for row in rows
        )  # fmt: skip
        return table(("version", "state", "loader", "max batch", "registered"), cells)

    @admin.display(description="roll-outs")
    def rollouts(self, model: RegisteredModel) -> SafeString | str:
        """Return the newest roll-outs, live and ended."""
        return rollouts_table(rollouts_of(Q(model=model)))

    @admin.display(description="rules")
    def rules(self, model: RegisteredModel) -> SafeString:
        """Return the way to its rules."""
        address = f"{reverse('admin:models_registry_rule_changelist')}?model={model.name}"
        return format_html('<a href="{}">rules of {}</a>', address, model.name)
