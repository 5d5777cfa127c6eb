"""The circuits: which versions or clients are held back, why and until when; open and close them by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs.core.errors import PlatformError
from jobs.models import Circuit, Client
from jobs.services.circuits.operate import close_by_hand, open_by_hand, probe_now
from models_registry.selectors import info
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import bounded_text


@admin.register(Circuit)
class CircuitAdmin(ReadOnlyAdmin):
    """Circuits that opened at least once: of a version's jobs, or of one client's jobs at a version."""

    list_display = ("state", "version", "whose", "short_reason", "changed", "tried_again", "openings")
    list_display_links = ("state", "version")
    list_filter = ("state",)
    list_select_related = ("version__model",)
    ordering = ("-since",)
    fields = ("version", "whose", "state", "whole_reason", "changed", "tried_again", "openings", "probes",
              "succeeded")  # fmt: skip
    readonly_fields = ("whose", "whole_reason", "changed", "tried_again")
    actions = ("open", "probe", "close")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may open and close circuits."""
        return bool(request.user.has_perm("jobs.change_circuit"))

    @admin.action(description="Open: hold the jobs back until a person closes it", permissions=["operate"])
    def open(self, request: HttpRequest, circuits: QuerySet[Circuit]) -> None:
        """Hold the selected versions' jobs back."""
        self._act(request, circuits, open_by_hand, "opened")

    @admin.action(description="Try now: let a few jobs through", permissions=["operate"])
    def probe(self, request: HttpRequest, circuits: QuerySet[Circuit]) -> None:
        """Try the selected versions."""
        self._act(request, circuits, probe_now, "tried")

    @admin.action(description="Close: let the jobs run", permissions=["operate"])
    def close(self, request: HttpRequest, circuits: QuerySet[Circuit]) -> None:
        """Let the selected versions' jobs run."""
        self._act(request, circuits, close_by_hand, "closed")

    def _act(
        self, request: HttpRequest, circuits: QuerySet[Circuit], service: Callable[..., Any], done: str
    ) -> None:
        for circuit in circuits:
            named = f"{circuit.version}{f' for {self.whose(circuit)}' if circuit.client else ''}"
            try:
                service(
                    version=info(circuit.version_id),
                    client=circuit.client,
                    actor=request.user.get_username(),
                )
            except PlatformError as error:
                self.message_user(
                    request, f"The circuit of {named} was not {done}: {error}", messages.WARNING
                )
            else:
                self.message_user(request, f"The circuit of {named} was {done}.", messages.SUCCESS)

    @admin.display(description="holds")
    def whose(self, circuit: Circuit) -> str:
        """Return the name of the client whose jobs it holds, or that it holds those of all."""
        if not circuit.client:
            return "all clients"
        client = Client.objects.filter(pk=circuit.client).values_list("name", flat=True).first()
        return f"client {client or circuit.client}"

    @admin.display(description="reason")
    def short_reason(self, circuit: Circuit) -> str:
        """Return the reason's beginning."""
        return circuit.reason[:120]

    @admin.display(description="reason")
    def whole_reason(self, circuit: Circuit) -> SafeString:
        """Return the reason."""
        return bounded_text(circuit.reason)

    @admin.display(description="since")
    def changed(self, circuit: Circuit) -> SafeString:
        """Return when the state last changed."""
        return aged(circuit.since)

    @admin.display(description="tried again")
    def tried_again(self, circuit: Circuit) -> SafeString | str:
        """Return when its jobs are tried again."""
        if circuit.state != "open":
            return "-"
        return aged(circuit.retry_at) if circuit.retry_at else "when a person closes it"
