"""An alias's page: promote a version, roll back, and the history of its moves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.rights import may_move, require
from jobs.admin.rollouts.rollout_columns import rollouts_of, rollouts_table, rule_link
from jobs.core.errors import PlatformError
from jobs.services.access.request_origin import origin
from models_registry.admin.registry import AliasAdmin
from models_registry.models import Alias, AliasMove, Promotion
from models_registry.services.alias_moves import Moved
from models_registry.services.promote import Mover, promote, version_before
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_render import NONE, table

PAGE, MOVE = "admin:models_registry_alias_change", "models_registry_alias_move"
SHOWN = 100
REASON_CHARS = 500
admin.site.unregister(Alias)


class MoveForm(forms.Form):
    """What a person answers before an alias is moved."""

    to = forms.CharField(max_length=63, widget=forms.HiddenInput)
    seen = forms.CharField(max_length=63, widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=REASON_CHARS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept with the move, in the history and the audit.",
    )
    now = forms.BooleanField(
        required=False,
        label="At once",
        help_text="Do not wait until the workers have loaded the version: jobs wait for that then.",
    )


@admin.register(Alias)
class MovableAliasAdmin(AliasAdmin):
    """A name for a version; users with the right move it here."""

    fields = (*AliasAdmin.fields, "rule_in_force", "rollouts", "last_move", "history")
    readonly_fields = ("rule_in_force", "rollouts", "last_move", "history")
    change_form_template = "admin/jobs/registry/alias.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the page that asks for confirmation before Django's own."""
        view = self.admin_site.admin_view(self.move)
        return [path("<int:key>/move/", view, name=MOVE), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the alias, and to whom it may do so, the ways to move it."""
        if may_move(request):
            context["moves"] = _moves(kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    def move(self, request: HttpRequest, key: int) -> HttpResponse:
        """Ask for the reason of a move, and do it by POST."""
        require(self, request, can=may_move(request))
        alias = Alias.objects.select_related("model", "version").filter(pk=key).first()
        if alias is None:
            raise Http404
        if request.method != "POST":
            shown = {"to": request.GET.get("to", ""), "seen": alias.version.version}
            return self._ask(request, alias, MoveForm(initial=shown), to=shown["to"])
        form = MoveForm(request.POST)
        if not form.is_valid():
            return self._ask(request, alias, form, to=request.POST.get("to", ""))
        return _moved(request, alias, form.cleaned_data)

    def _ask(self, request: HttpRequest, alias: Alias, form: MoveForm, *, to: str) -> HttpResponse:
        if not alias.model.versions.filter(version=to).exists():
            raise Http404
        context = {
            "title": f"Move {alias} to {to}",
            "opts": self.opts,
            "alias": alias,
            "form": form,
            "to": to,
        }
        everywhere = self.admin_site.each_context(request)
        return TemplateResponse(request, "admin/jobs/registry/move.html", {**everywhere, **context})

    @admin.display(description="rule")
    def rule_in_force(self, alias: Alias) -> SafeString | str:
        """Return the rule that gives a candidate a share, and the way to all rules of the alias."""
        in_force = rule_link(alias.rule) if alias.rule else "none with a candidate: the version answers"
        address = (
            f"{reverse('admin:models_registry_rule_changelist')}?model={alias.model.name}&alias={alias.name}"
        )
        return format_html('{} · <a href="{}">all its rules</a>', in_force, address)

    @admin.display(description="roll-outs")
    def rollouts(self, alias: Alias) -> SafeString | str:
        """Return the newest roll-outs of the alias."""
        return rollouts_table(rollouts_of(Q(model=alias.model_id, alias=alias.name)))

    @admin.display(description="last move that waited")
    def last_move(self, alias: Alias) -> str:
        """Return how far the newest move is that waited for workers."""
        move = (
            AliasMove.objects.filter(model=alias.model_id, alias=alias.name).select_related("version").last()
        )
        if move is None:
            return NONE
        return f"to {move.version.version}, by {move.actor}: {move.get_state_display()}. {move.outcome}"

    @admin.display(description="history")
    def history(self, alias: Alias) -> SafeString | str:
        """Return the newest moves."""
        rows = Promotion.objects.filter(model=alias.model.name, alias=alias.name).order_by("-id")[:SHOWN]
        cells = [
            (
                moment(row.at),
                row.before or NONE,
                row.after,
                row.actor,
                row.address or NONE,
                row.reason or NONE,
            )
            for row in rows
        ]
        return table(("at", "from", "to", "by", "address", "reason"), cells) if cells else NONE


def _moves(alias: Alias) -> dict[str, Any]:
    others = alias.model.versions.exclude(pk=alias.version_id).order_by("-id")
    return {
        "url": reverse(f"admin:{MOVE}", args=(alias.pk,)),
        "back_to": version_before(alias),
        "versions": list(others.values_list("version", flat=True)[:SHOWN]),
    }


def _moved(request: HttpRequest, alias: Alias, answers: dict[str, Any]) -> HttpResponse:
    mover = Mover(request.user.get_username(), origin().address, answers["reason"])
    try:
        where = {"to": answers["to"], "seen": answers["seen"], "now": answers["now"]}
        moved = promote(name=alias.model.name, alias=alias.name, mover=mover, **where)
    except PlatformError as error:
        messages.error(request, str(error))
    else:
        _say(request, alias, moved)
    return redirect(PAGE, alias.pk)


def _say(request: HttpRequest, alias: Alias, moved: Moved) -> None:
    if moved.waiting is None:
        messages.success(request, f"{alias} points at {moved.info.version} now.")
    else:
        messages.warning(request, f"Workers load {moved.info} first. {moved.waiting.outcome}")
