"""Who approved a roll-out, which rules it put in force, and the way to the audit."""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.rollouts.rollout_columns import rule_link
from jobs.admin.rollouts.rule_admin import diff
from jobs.core.access.audit_kinds import AuditKind
from models_registry.models import Rollout, Rule
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_render import NONE, table

SHOWN = 100


def approvals_cell(rollout: Rollout) -> SafeString | str:
    """Return the approvals, each with whether it is of the plan as it is now."""
    needed = rollout.model.approvals
    rows = [
        (
            row.actor,
            moment(row.at),
            "yes" if row.sha256 == rollout.sha256 else "no: the plan has changed since",
        )
        for row in rollout.approvals.order_by("id")
    ]
    if rows:
        return table(("approved by", "when", "counts"), rows)
    return f"{needed} needed, none given" if needed else "none needed"


def rules_cell(rollout: Rollout) -> SafeString | str:
    """Return the newest rules of the roll-out, oldest first, each as what it changed."""
    rules = Rule.objects.filter(rollout=rollout.pk, model=rollout.model.name, alias=rollout.alias)
    shown = list(rules.order_by("-id")[:SHOWN])[::-1]
    before: dict[str, object] | None = _before(shown[0]) if shown else None
    rows = []
    for rule in shown:
        rows.append(
            (rule_link(rule), diff(before, rule.document), rule.actor, rule.reason or NONE, moment(rule.at))
        )
        before = rule.document
    return table(("rule", "what it changed", "by", "reason", "when"), rows) if rows else NONE


def _before(rule: Rule) -> dict[str, object] | None:
    earlier = Rule.objects.filter(model=rule.model, alias=rule.alias, number=rule.number - 1)
    document: dict[str, object] | None = earlier.values_list("document", flat=True).first()
    return document


def events_cell() -> SafeString:
    """Return the way to the audit, which has addresses too; the acts are listed with the shares."""
    address = f"{reverse('admin:jobs_event_changelist')}?kind={AuditKind.ROLLOUT}"
    return format_html('<a href="{}">Acts on roll-outs in the audit</a>', address)
