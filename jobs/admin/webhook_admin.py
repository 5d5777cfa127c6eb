"""Webhooks: the attempts and their answers; send one again, and enable an address that answered 410."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs.admin.actions import act_on
from jobs.admin.base import BoundedAdmin
from jobs.admin.links import job_link, row_link
from jobs.admin.rights import may_act
from jobs.core.webhooks.policy import DeliveryState
from jobs.models import Delivery, DisabledEndpoint, WebhookSecret
from jobs.services.webhooks.subscriptions import enable, send_again
from models_registry.shared.admin_moment import aged, moment
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, table

ATTEMPT = ("attempt", "at", "status", "said", "took_ms", "state", "again_in_s")


@admin.register(Delivery)
class DeliveryAdmin(BoundedAdmin):
    """The webhook of a job."""

    list_display = ("outcome", "key", "client", "url", "attempts", "answer", "next_attempt")
    list_display_links = None
    list_filter = ("state",)
    shown_related = ("client",)
    fields = ("of_job", "client", "url", "outcome", "attempts", "next_attempt", "ended", "attempts_made")
    readonly_fields = ("of_job", "outcome", "next_attempt", "ended", "attempts_made")
    actions = ("send",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may send webhooks again."""
        return may_act(request)

    @admin.action(description="Send the selected webhooks again, now", permissions=["operate"])
    def send(self, request: HttpRequest, _rows: QuerySet[Delivery]) -> None:
        """Send each selected webhook again."""
        act_on(self, request, send_again, "sent again")

    @admin.display(description="job")
    def key(self, delivery: Delivery) -> SafeString:
        """Return a link to its page."""
        return row_link("delivery", delivery.job_id)

    @admin.display(description="job")
    def of_job(self, delivery: Delivery) -> SafeString:
        """Return a link to the job."""
        return job_link(delivery.job_id)

    @admin.display(description="state")
    def outcome(self, delivery: Delivery) -> str:
        """Return its state; before its job has ended there is nothing to send."""
        return "the job has not ended" if _waits_for_job(delivery) else delivery.state

    @admin.display(description="last answer")
    def answer(self, delivery: Delivery) -> str:
        """Return the last attempt's status, or the reason why there was none."""
        if not delivery.history:
            return NONE
        last = delivery.history[-1]
        return str(last["status"] or last["said"][:60])

    @admin.display(description="next attempt")
    def next_attempt(self, delivery: Delivery) -> SafeString | str:
        """Return when it is sent next."""
        return aged(delivery.due) if delivery.due else NONE

    @admin.display(description="ended")
    def ended(self, delivery: Delivery) -> SafeString | str:
        """Return when it was delivered or given up."""
        return aged(delivery.finished_at) if delivery.finished_at else NONE

    @admin.display(description="attempts made")
    def attempts_made(self, delivery: Delivery) -> SafeString:
        """Return the log of attempts."""
        cells = (_cells(entry) for entry in reversed(delivery.history))
        return table(("number", "at", "status", "answer", "ms", "then", "again in s"), cells)


@admin.register(DisabledEndpoint)
class DisabledEndpointAdmin(ReadOnlyAdmin):
    """An address that answered 410."""

    list_display = ("client", "url", "since")
    list_select_related = ("client",)
    ordering = ("-id",)
    actions = ("enable",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may enable addresses."""
        return may_act(request)

    @admin.action(description="Enable: send webhooks there again", permissions=["operate"])
    def enable(self, request: HttpRequest, rows: QuerySet[DisabledEndpoint]) -> None:
        """Send to the selected addresses again."""
        actor = request.user.get_username()
        count = sum(enable(endpoint_id=pk, actor=actor) for pk in rows.values_list("pk", flat=True))
        self.message_user(request, f"{count} enabled; send the webhooks that were not sent by hand.")


@admin.register(WebhookSecret)
class WebhookSecretAdmin(ReadOnlyAdmin):
    """A secret that signs a client's webhooks; `manage.py webhook_secret` creates it and shows it once."""

    list_display = ("id", "client", "created_at", "expires_at")
    list_select_related = ("client",)
    ordering = ("-id",)
    fields = ("client", "created_at", "expires_at")


def _waits_for_job(delivery: Delivery) -> bool:
    return delivery.state == DeliveryState.WAITING and delivery.due is None


def _cells(entry: dict[str, Any]) -> list[Any]:
    """Return an attempt's cells; an entry of the log may lack any key."""
    at = entry.get("at")
    return [
        moment(datetime.fromisoformat(at)) if name == "at" and at else entry.get(name) for name in ATTEMPT
    ]
