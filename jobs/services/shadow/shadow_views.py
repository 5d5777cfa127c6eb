"""A shadow as people see it: what became of its copies, and its standing report."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from jobs.core.errors import ResourceNotFoundError
from jobs.core.shadow.shadow_counts import ShadowCounts
from jobs.core.shadow.shadow_report import CopyCounts, shadow_report, shadow_sentence
from jobs.db.statement import storable
from jobs.models.rollouts.shadow import Shadow, ShadowCopy
from jobs.services.shadow.shadow_spec import shadow_spec
from models_registry.core.version import VersionInfo
from models_registry.models import Rule


class ShadowView(NamedTuple):
    """The shadow of a rule; versions as `name:version`, `number` is the rule's."""

    model: str
    alias: str
    number: int
    version: str
    stable: str
    share: float
    batch_s: float
    time_share: float
    state: str
    reason: str
    actor: str
    sentence: str
    report: dict[str, Any]
    since: datetime
    changed_at: datetime
    ran_at: datetime | None


def find_shadow(model: str, alias: str, number: int) -> Shadow:
    """Return the shadow of a rule; ResourceNotFoundError where there is no such rule, or it has none."""
    is_name = storable(model) and storable(alias) and 0 < number < 1 << 31
    named = {"model": model, "alias": alias, "number": number} if is_name else {"pk": None}
    rows = Shadow.objects.select_related("version__model", "stable__model")
    if (shadow := rows.filter(**named).first()) is not None:
        return shadow
    rule = Rule.objects.filter(**named).first()
    if rule is None:
        raise ResourceNotFoundError(f"There is no rule {number} of this alias.")
    if rule.document.get("shadow") is None:
        raise ResourceNotFoundError(f"Rule {number} has no shadow.")
    raise ResourceNotFoundError(f"The shadow of rule {number} has not begun: read it again in some seconds.")


def shadow_view(model: str, alias: str, number: int) -> ShadowView:
    """Return the shadow of a rule with its report; ResourceNotFoundError."""
    return view_of(find_shadow(model, alias, number))


def view_of(shadow: Shadow) -> ShadowView:
    """Return a shadow with its report."""
    report = report_of(shadow)
    return ShadowView(
        model=shadow.model,
        alias=shadow.alias,
        number=shadow.number,
        version=str(shadow.version),
        stable=str(shadow.stable),
        share=shadow.share,
        batch_s=shadow.batch_s,
        time_share=shadow.time_share,
        state=shadow.state,
        reason=shadow.reason,
        actor=shadow.actor,
        sentence=shadow_sentence(report, shadow.batch_s),
        report=report,
        since=shadow.since,
        changed_at=shadow.changed_at,
        ran_at=shadow.ran_at,
    )


def report_of(shadow: Shadow) -> dict[str, Any]:
    """Return the standing report of a shadow; the copies that wait are counted now."""
    spec = shadow_spec(VersionInfo.of(shadow.version), VersionInfo.of(shadow.stable))
    waiting = ShadowCopy.objects.filter(rule=shadow.rule).count()
    copies = CopyCounts(waiting, shadow.run, shadow.old, shadow.unwanted, shadow.lost)
    return shadow_report(ShadowCounts.of(shadow.counts), copies, spec)
