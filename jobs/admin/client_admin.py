"""Clients and their tokens, which `manage.py create_token` creates; only a digest of each is stored."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.rights import may_change_tokens
from jobs.core.admission.quota import Quota
from jobs.core.errors import PlatformError
from jobs.models import ApiToken, Client
from jobs.services.access.tokens import GRACE_HOURS, revoke_token, rotate_token
from jobs.services.admission.set_quota import LIMITS, set_quota
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import table


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin):
    """An app that sends jobs, and its quotas."""

    list_display = ("name", "created_at", "jobs")
    ordering = ("name",)
    search_fields = ("name",)
    fields = ("name", "created_at", *LIMITS, "tokens", "jobs")
    readonly_fields = ("name", "created_at", "tokens", "jobs")

    def has_change_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:  # noqa: ARG002  # Django's signature
        """Return whether this user may change quotas, the only values that a form changes here."""
        return bool(request.user.has_perm("jobs.change_client"))

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: Any) -> None:  # noqa: ARG002  # Django's signature
        """Give the client the form's quotas."""
        quota = Quota(*(form.cleaned_data[name] for name in LIMITS))
        set_quota(client_id=obj.pk, quota=quota, actor=request.user.get_username())

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
    """A bearer token: its digest is never shown, the token itself only when it is created."""

    list_display = ("id", "prefix", "client", "label", "may", "valid", "created_at", "expires_at")
    list_display_links = ("id", "prefix")
    list_select_related = ("client",)
    ordering = ("-id",)
    search_fields = ("=prefix", "client__name", "label")
    fields = (
        "prefix", "client", "label", "may", "valid", "created_at", "expires_at", "revoked_at", "replaces",
    )  # fmt: skip
    readonly_fields = ("may", "valid")
    actions = ("rotate", "revoke")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may rotate and revoke."""
        return may_change_tokens(request)

    @admin.action(
        description=f"Rotate: create a successor; the old one works {GRACE_HOURS} h more",
        permissions=["operate"],
    )
    def rotate(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> HttpResponse:
        """Show the successors of the selected tokens, only now."""
        made: list[tuple[ApiToken, str]] = []
        for old in tokens.order_by("pk"):
            try:
                token = rotate_token(token_id=old.pk, actor=request.user.get_username())
            except PlatformError as error:
                self.message_user(request, f"{old}: {error}", messages.WARNING)
            else:
                made.append((old, token))
        return _shown_once(self, request, made)

    @admin.action(description="Revoke the selected tokens at once", permissions=["operate"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """Revoke each selected token."""
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
    return "expired" if token.expires_at and token.expires_at <= timezone.now() else "valid"


def _shown_once(own: ReadOnlyAdmin, request: HttpRequest, made: list[tuple[ApiToken, str]]) -> HttpResponse:
    """Return a page for the tokens, because a message would carry them in a cookie."""
    context: dict[str, Any] = {
        **own.admin_site.each_context(request),
        "title": "New tokens",
        "opts": own.opts,
        "made": made,
        "grace_hours": GRACE_HOURS,
    }
    page = TemplateResponse(request, "admin/jobs/apitoken/rotated.html", context)
    page.headers["Cache-Control"] = "no-store"
    return page
