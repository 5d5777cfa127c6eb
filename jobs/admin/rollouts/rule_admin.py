"""Rules as diffs of the one before each, and what answered for an alias at a moment. Read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin.filters import ColumnFilter, ModelNameFilter
from jobs.admin.links import one_line, registry_link
from jobs.admin.rollouts.cascade_cells import CURVE, cascade_cells
from jobs.admin.rollouts.rollout_columns import rule_link
from jobs.admin.rollouts.rule_moment import AnswerRow, MomentForm, answered_at
from jobs.services.ab_tests.ab_page import PAGE_POLICY, ab_page
from jobs.services.ab_tests.read_ab_report import read_ab_report
from jobs.services.rollouts.cascades.rule_report import report_of
from jobs.services.rollouts.cascades.threshold_picture import curve_picture
from models_registry.core.routing.rule_changes import rule_changes
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.routing.rule_words import rule_words
from models_registry.models import Alias, Rule
from models_registry.shared.admin_moment import aged, moment
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, bounded_text, pretty, table

MENU_LENGTH = 200
REPORT = "models_registry_rule_report"


class AliasFilter(ColumnFilter):
    """Rules by the name of their alias."""

    title, parameter_name, column = "alias", "alias", "alias"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the names of aliases."""
        names = Alias.objects.order_by("name").values_list("name", flat=True).distinct()
        return [(name, name) for name in names[:MENU_LENGTH]]


class RuleChangeList(ChangeList):
    """The list, beside a form whose values are no filters of Django's."""

    def get_filters_params(self, params: Any = None) -> Any:
        """Return the parameters without those of the form."""
        query = super().get_filters_params(params)
        return {name: value for name, value in query.items() if name not in MomentForm.base_fields}


@admin.register(Rule)
class RuleAdmin(ReadOnlyAdmin):
    """What answers for an alias, number by number."""

    list_display = ("named", "of", "changes", "rollout_of", "actor", "reason", "since")
    list_display_links = None
    list_filter = (ModelNameFilter, AliasFilter)
    ordering = ("-id",)
    fields = ("model", "alias", "number", "changes", "rollout_of", "actor", "address", "reason", "approvals",
              "since", "ab_test", "whole", "sha256", "cascade")  # fmt: skip
    readonly_fields = ("changes", "rollout_of", "since", "ab_test", "whole", "cascade")
    change_list_template = "admin/jobs/rollouts/rules.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the curve of a cascade and the page of an A/B test before Django's own pages."""
        curve, report = (self.admin_site.admin_view(view) for view in (self.curve, self.show_report))
        return [
            path("<int:key>/curve.svg", curve, name=CURVE),
            path("<int:key>/report/", report, name=REPORT),
            *super().get_urls(),
        ]

    def curve(self, request: HttpRequest, key: int) -> HttpResponse:
        """Return the curve of a cascade over its threshold, as SVG."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rule = get_object_or_404(Rule, pk=key, steps__isnull=False)
        report = report_of(rule).report
        if not report.jobs:
            raise Http404
        return HttpResponse(curve_picture(report, "svg"), content_type="image/svg+xml")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002  # Django's signature
        """Return the list that knows the form."""
        return RuleChangeList

    def show_report(self, request: HttpRequest, key: int) -> HttpResponse:
        """Return what the A/B test of a rule has shown, as a page with pictures; 404 where it is none."""
        rule = self.get_queryset(request).filter(pk=key).first()
        if not self.has_view_permission(request, rule):
            raise PermissionDenied
        if rule is None or not rule.document.get("arms"):
            raise Http404
        shown = read_ab_report(model=rule.model, alias=rule.alias, number=rule.number)
        page = HttpResponse(ab_page(shown), content_type="text/html; charset=utf-8")
        page["Cache-Control"], page["Content-Security-Policy"] = "no-store", PAGE_POLICY
        return page

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        """Return the rules, each with the document of the one before it."""
        before = Rule.objects.filter(
            model=OuterRef("model"), alias=OuterRef("alias"), number=OuterRef("number") - 1
        )
        rows: QuerySet[Rule] = super().get_queryset(request)
        return rows.annotate(before=Subquery(before.values("document")[:1]))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the form, what answered at its moment, and the rules."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = MomentForm(request.GET if "at" in request.GET else None)
        at = form.moment if form.is_bound else None
        shown = _answers(answered_at(at, form.cleaned_data["of"])) if at else None
        context = {"moment_form": form, "moment": moment(at) if at else None, "answers": shown}
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description="rule", ordering="id")
    def named(self, rule: Rule) -> SafeString:
        """Return a link to its page."""
        return rule_link(rule)

    @admin.display(description="alias")
    def of(self, rule: Rule) -> SafeString:
        """Return the alias as `model@alias`."""
        return one_line(f"{rule.model}@{rule.alias}")

    @admin.display(description="what it changed")
    def changes(self, rule: Rule) -> SafeString:
        """Return the fields that differ from the rule before it."""
        return diff(getattr(rule, "before", None), rule.document)

    @admin.display(description="roll-out")
    def rollout_of(self, rule: Rule) -> SafeString | str:
        """Return a link to the roll-out that made it."""
        return registry_link("rollout", rule.rollout, f"roll-out {rule.rollout}") if rule.rollout else NONE

    @admin.display(description="in force since")
    def since(self, rule: Rule) -> SafeString:
        """Return when it was put in force."""
        return aged(rule.at)

    @admin.display(description="A/B test")
    def ab_test(self, rule: Rule) -> SafeString | str:
        """Return a link to what it has shown."""
        if not rule.document.get("arms"):
            return NONE
        place = reverse(f"admin:{REPORT}", args=(rule.pk,))
        return format_html('<a href="{}">what its arms have shown</a>', place)

    @admin.display(description="document")
    def whole(self, rule: Rule) -> SafeString:
        """Return the whole document."""
        return bounded_text(pretty(rule.document))

    @admin.display(description="cascade")
    def cascade(self, rule: Rule) -> SafeString | str:
        """Return what its cascade did, with the curve over the threshold."""
        return cascade_cells(rule) if rule.steps else NONE


def diff(before: dict[str, Any] | None, after: dict[str, Any]) -> SafeString:
    """Return what changed between two rules, a line for each field, taken out and put in."""
    lines = (
        (
            change.name,
            _line("del", "\N{MINUS SIGN}", change.before),
            _line("ins", "+", change.after),
        )
        for change in rule_changes(before, after)
    )
    shown = format_html_join("", "<li><strong>{}</strong> {} {}</li>", lines)
    return (
        format_html('<ul class="diff">{}</ul>', shown) if shown else format_html("<span>{}</span>", "nothing")
    )


def _line(tag: str, sign: str, text: str | None) -> SafeString | str:
    if text is None:
        return ""
    return format_html(f"<{tag}>{sign}&nbsp;{{}}</{tag}>", text)


def _answers(rows: Any) -> SafeString | str:
    cells = [_answer(row) for row in rows]
    headers = ("alias", "answered", "decided by", "who", "why", "when")
    return table(headers, cells) if cells else "No alias stood for anything then."


def _answer(row: AnswerRow) -> tuple[object, ...]:
    answered = rule_words(row.model, RuleDocument.of(row.document))
    decided = registry_link("rule", row.rule, f"rule {row.number}") if row.rule else "a move of the alias"
    if row.rollout:
        decided = format_html(
            "{} of {}", decided, registry_link("rollout", row.rollout, f"roll-out {row.rollout}")
        )
    return (
        one_line(f"{row.model}@{row.alias}"),
        answered,
        decided,
        row.actor,
        row.reason or NONE,
        moment(row.at),
    )
