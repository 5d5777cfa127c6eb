"""Clients and their tokens: made by `manage.py create_token`, of which only a digest is kept."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import ApiToken, Client
from models_registry.admin.readonly import ReadOnlyAdmin
from models_registry.admin.render import table


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin):
    """Whoever owns jobs."""

    list_display = ("name", "created_at", "jobs")
    ordering = ("name",)
    search_fields = ("name",)
    fields = ("name", "created_at", "tokens", "jobs")
    readonly_fields = ("tokens", "jobs")

    def tokens(self, client: Client) -> SafeString:
        """Return the client's newest tokens."""
        rows = client.tokens.order_by("-id")[:100]
        cells = ((f"{row.prefix}…", row.label, status(row), row.created_at) for row in rows)
        return table(("token", "label", "status", "created"), cells)

    def jobs(self, client: Client) -> SafeString:
        """Return a link to the client's jobs."""
        url = reverse("admin:jobs_job_changelist")
        return format_html('<a href="{}?client={}">newest jobs</a>', url, client.pk)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """A bearer token; its digest is not shown."""

    list_display = ("prefix", "client", "label", "valid", "created_at", "expires_at")
    list_select_related = ("client",)
    ordering = ("-id",)
    search_fields = ("=prefix", "client__name", "label")
    fields = ("prefix", "client", "label", "valid", "created_at", "expires_at", "revoked_at")
    readonly_fields = ("valid",)

    @admin.display(description="status")
    def valid(self, token: ApiToken) -> str:
        """Return whether it works."""
        return status(token)


def status(token: ApiToken) -> str:
    """Return whether a token works now."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at and token.expires_at <= timezone.now() else "valid"
