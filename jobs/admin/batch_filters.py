"""The ledger's menus: each filters the newest batches; open batches are found by an index of their own."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from jobs.admin.filters import MENU_LENGTH, ColumnFilter, model_names
from jobs.core.batching.sealed_batch import SealReason
from jobs.models import Worker
from models_registry.models import ModelVersion


class OpenMenu(admin.SimpleListFilter):
    """Whether a batch is being run; the admin's `listed` finds the open ones."""

    OPEN: ClassVar[str] = "yes"
    title, parameter_name = "open", "open"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return both choices."""
        return [(self.OPEN, "being run"), ("no", "finished")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002  # Django's signature
        """Return the finished rows where the menu says so."""
        return queryset.filter(finished_at__isnull=False) if self.value() == "no" else queryset


class LaneFilter(admin.SimpleListFilter):
    """The lane whose queue a batch's jobs came by."""

    title, parameter_name = "lane", "lane"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return both lanes."""
        return [("fast", "fast"), ("slow", "slow")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002  # Django's signature
        """Return the rows of the lane."""
        return queryset if self.value() is None else queryset.filter(slow=self.value() == "slow")


class SealFilter(ColumnFilter):
    """Why a batch was sealed."""

    title, parameter_name, column = "why sealed", "seal", "seal_reason"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the reasons."""
        return [(reason.value, reason.value) for reason in SealReason]


class ModelFilter(admin.SimpleListFilter):
    """Batches of one model, in any version."""

    title, parameter_name = "model", "model"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the models by name."""
        return model_names()

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002  # Django's signature
        """Return the rows of the model's versions."""
        if self.value() is None:
            return queryset
        versions = ModelVersion.objects.filter(model__name=self.value()).values_list("id", flat=True)
        return queryset.filter(version_id__in=list(versions[:MENU_LENGTH]))


class WorkerFilter(admin.SimpleListFilter):
    """Batches of one node, run by any of its incarnations."""

    title, parameter_name = "worker", "node"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the nodes among the newest workers."""
        newest = Worker.objects.order_by("-started_at").values_list("node", flat=True)[:MENU_LENGTH]
        return [(node, node) for node in sorted(set(newest))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002  # Django's signature
        """Return the rows of the node's newest incarnations."""
        if self.value() is None:
            return queryset
        rows = Worker.objects.filter(node=self.value()).order_by("-started_at")
        return queryset.filter(worker_id__in=list(rows.values_list("id", flat=True)[:MENU_LENGTH]))
