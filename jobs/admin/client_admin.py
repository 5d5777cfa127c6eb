"""Clients and their tokens, which `manage.py create_token` creates; only a digest of each is stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.rights import may_change_tokens
from jobs.core.access.scopes import WARNED_DAYS
from jobs.core.admission.quota import Quota
from jobs.core.operations import amounts
from jobs.models import ApiToken, Client
from jobs.services.access.client_models import allow_models
from jobs.services.access.tokens import GRACE_HOURS, end_token, revoke_token
from jobs.services.admission.set_quota import LIMITS, set_quota
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import table


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin):
    """An app that sends jobs, and its quotas."""

    list_display = ("name", "created_at", "jobs")
    ordering = ("name",)
    search_fields = ("name",)
    fields = ("name", "created_at", "models", *LIMITS, "tokens", "jobs")
    readonly_fields = ("name", "created_at", "tokens", "jobs")

    def has_change_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:  # noqa: ARG002  # Django's signature
        """Return whether this user may change models and quotas, the only values that a form changes here."""
        return bool(request.user.has_perm("jobs.change_client"))

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: Any) -> None:  # noqa: ARG002  # Django's signature
        """Give the client the form's models and quotas."""
        actor = request.user.get_username()
        quota = Quota(*(form.cleaned_data[name] for name in LIMITS))
        set_quota(client_id=obj.pk, quota=quota, actor=actor)
        allow_models(client_id=obj.pk, models=form.cleaned_data["models"], actor=actor)

    def tokens(self, client: Client) -> SafeString:
        """Return the client's newest tokens."""
        rows = client.tokens.order_by("-id")[:100]
        cells = ((f"{row.prefix}…", row.label, spelled(row), status(row), row.created_at) for row in rows)
        return table(("token", "label", "scopes", "status", "created"), cells)

    def jobs(self, client: Client) -> SafeString:
        """Return a link to the client's jobs."""
        url = reverse("admin:jobs_job_changelist")
        return format_html('<a href="{}?client={}">newest jobs</a>', url, client.pk)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """A bearer token. No page shows one that works: its owner rotates it by the API."""

    list_display = ("valid", "prefix", "client", "label", "may", "created_at", "expires_at")
    list_display_links = ("prefix",)
    list_select_related = ("client",)
    ordering = ("-id",)
    search_fields = ("=prefix", "client__name", "label")
    fields = (
        "prefix", "client", "label", "may", "valid", "created_at", "expires_at", "revoked_at", "replaces",
    )  # fmt: skip
    readonly_fields = ("may", "valid")
    actions = ("end", "revoke")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may end and revoke tokens."""
        return may_change_tokens(request)

    @admin.action(
        description=f"Let the selected tokens end in {GRACE_HOURS} hours",
        permissions=["operate"],
    )
    def end(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """Let each selected token end soon."""
        actor = request.user.get_username()
        count = sum(end_token(token_id=pk, actor=actor) for pk in tokens.values_list("pk", flat=True))
        self.message_user(
            request,
            f"{amounts.things(count, 'token ends', 'tokens end')} in {GRACE_HOURS} hours at the latest.",
        )

    @admin.action(description="Revoke the selected tokens and their successors now", permissions=["operate"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """Revoke each selected token, and all that it was rotated into."""
        actor = request.user.get_username()
        count = sum(revoke_token(token_id=pk, actor=actor) for pk in tokens.values_list("pk", flat=True))
        self.message_user(request, f"{count} revoked; every server follows within two seconds.")

    @admin.display(description="scopes")
    def may(self, token: ApiToken) -> str:
        """Return its scopes."""
        return spelled(token)

    @admin.display(description="status")
    def valid(self, token: ApiToken) -> str:
        """Return whether it is valid, expired or revoked."""
        return status(token)


def spelled(token: ApiToken) -> str:
    """Return a token's scopes as words."""
    return ", ".join(token.scopes)


def status(token: ApiToken) -> str:
    """Return whether a token is valid now, expired or revoked."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is None:
        return "valid"
    remains = token.expires_at - timezone.now()
    if remains <= timedelta():
        return "expired"
    return f"ends in {amounts.things(remains.days, 'day')}" if remains.days < WARNED_DAYS else "valid"
