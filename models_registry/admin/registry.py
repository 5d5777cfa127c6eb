"""Read-only pages of models, their versions and aliases; commands register them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from models_registry.models import Alias, ModelVersion, Promotion, RegisteredModel
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, bounded_text, pretty, table


@admin.register(RegisteredModel)
class RegisteredModelAdmin(ReadOnlyAdmin):
    """A model with its versions and aliases."""

    list_display = ("name", "description", "created_at")
    ordering = ("name",)
    search_fields = ("name",)
    fields: ClassVar[tuple[str, ...]] = (
        "name", "description", "created_at", "versions", "aliases", "jobs",
    )  # fmt: skip
    readonly_fields: ClassVar[tuple[str, ...]] = ("versions", "aliases", "jobs")

    def versions(self, model: RegisteredModel) -> SafeString:
        """Return the versions, newest first, each a link."""
        rows = model.versions.order_by("-id")[:100]
        cells = ((_link(row), row.loader, row.max_batch, row.created_at) for row in rows)
        return table(("version", "loader", "max batch", "registered"), cells)

    def aliases(self, model: RegisteredModel) -> SafeString:
        """Return the aliases, each with a link to its version."""
        rows = model.aliases.select_related("version__model").order_by("name")
        cells = ((f"@{row.name}", _link(row.version), row.changed_at) for row in rows)
        return table(("alias", "version", "moved"), cells)

    def jobs(self, model: RegisteredModel) -> SafeString:
        """Return a link to the model's jobs."""
        url = reverse("admin:jobs_job_changelist")
        return format_html('<a href="{}?model={}">newest jobs of {}</a>', url, model.name, model.name)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """One immutable build: artifact, hash, schemas and limits."""

    list_display: Any = (
        "__str__", "loader", "max_batch", "padded", "p95_goal_s", "max_attempts", "created_at",
    )  # fmt: skip
    list_select_related = ("model",)
    list_filter: ClassVar[tuple[str, ...]] = ("loader", "model")
    ordering = ("-id",)
    search_fields = ("model__name", "version")
    fields: ClassVar[tuple[str, ...]] = (
        "model", "version", "aliases", "loader", "artifact", "sha256", "created_at",
        "max_batch", "max_padded_size", "padded", "p95_goal_s", "max_attempts",
        "accepts", "answers", "warms_up_with", "loader_options", "loads",
    )  # fmt: skip
    readonly_fields: ClassVar[tuple[str, ...]] = (
        "loads", "aliases", "accepts", "answers", "warms_up_with", "loader_options",
    )  # fmt: skip

    def aliases(self, version: ModelVersion) -> str:
        """Return the aliases that point here."""
        return ", ".join(f"@{alias.name}" for alias in version.aliases.order_by("name")) or NONE

    @admin.display(description="on workers")
    def loads(self, version: ModelVersion) -> SafeString | str:
        """Return the workers that hold the version, load it or cannot load it, and why."""
        rows = version.loads.order_by("node")[:100]
        cells = [
            (row.node, row.state, row.since, row.load_s, row.memory_bytes, row.tries, row.reason)
            for row in rows
        ]
        words = ("worker", "state", "since", "seconds to load", "bytes", "failed loads", "last error")
        return table(words, cells) if cells else NONE

    @admin.display(description="input schema")
    def accepts(self, version: ModelVersion) -> SafeString:
        """Return the input's JSON Schema."""
        return bounded_text(pretty(version.input_schema))

    @admin.display(description="output schema")
    def answers(self, version: ModelVersion) -> SafeString:
        """Return the output's JSON Schema."""
        return bounded_text(pretty(version.output_schema))

    @admin.display(description="example")
    def warms_up_with(self, version: ModelVersion) -> SafeString:
        """Return the input that a loaded model is warmed up with."""
        return bounded_text(pretty(version.example))

    @admin.display(description="options")
    def loader_options(self, version: ModelVersion) -> SafeString:
        """Return the options of the loader and the platform."""
        return bounded_text(pretty(version.options))


@admin.register(Alias)
class AliasAdmin(ReadOnlyAdmin):
    """A name for a version that can be moved."""

    list_display = ("__str__", "version", "changed_at")
    list_select_related = ("model", "version__model")
    list_filter = ("model",)
    ordering = ("model__name", "name")
    fields: ClassVar[tuple[str, ...]] = ("model", "name", "version", "changed_at")


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    """A move of an alias with its actor: the registry's part of the audit."""

    list_display = ("at", "model", "alias", "before", "after", "actor", "address", "reason")
    list_filter = ("model",)
    ordering = ("-id",)
    fields = list_display


def _link(version: ModelVersion) -> SafeString:
    url = reverse("admin:models_registry_modelversion_change", args=(version.pk,))
    return format_html('<a href="{}">{}</a>', url, version.version)
