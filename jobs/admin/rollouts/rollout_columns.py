"""Cells of roll-outs, for their list and their pages."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.links import one_line, registry_link
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.rollout_states import LIVE, RolloutState
from models_registry.models import Rollout, Rule
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_render import NONE, table

MOST_OF_MODEL = 20


def words(value: str) -> str:
    """Return a stored word such as `rolled_back` as it is read."""
    return value.replace("_", " ")


def state_badge(rollout: Rollout) -> SafeString:
    """Return the state as a coloured word, with the reason of a hold."""
    text = f"{rollout.state}: {rollout.hold}" if rollout.hold else rollout.state
    return format_html('<span class="state state-{}">{}</span>', rollout.state, words(text))


def is_live(rollout: Rollout) -> bool:
    """Return whether a roll-out has not ended."""
    return RolloutState(rollout.state) in LIVE


def alias_name(rollout: Rollout) -> SafeString:
    """Return the alias as `model@alias`, on one line."""
    return one_line(f"{rollout.model.name}@{rollout.alias}")


def from_to(rollout: Rollout) -> SafeString:
    """Return both versions, the stable one first, each as a link."""
    stable, candidate = (
        registry_link("modelversion", row.pk, row.version) for row in (rollout.stable, rollout.candidate)
    )
    return format_html('<span class="one-line">{} → {}</span>', stable, candidate)


def share(rollout: Rollout) -> str:
    """Return the candidate's share now in per cent."""
    return f"{rollout.share_ppm / 10_000:g} %"


def steps(rollout: Rollout) -> str:
    """Return the share, and where it is in the steps of the plan."""
    plan = Plan.of(rollout.plan)
    shares = ", ".join(f"{step:g}" for step in plan.steps)
    return f"{share(rollout)} now; step {rollout.step + 1} of {len(plan.steps)}: {shares} %"


def met(rollout: Rollout) -> SafeString:
    """Return how many jobs the candidate has met, and of how many it may."""
    text = f"{rollout.met:,}, proven" if rollout.proven else f"{rollout.met:,} of {rollout.budget:,}"
    return one_line(text)


def rollout_link(rollout: Rollout) -> SafeString:
    """Return a link to a roll-out's page."""
    return registry_link("rollout", rollout.pk, f"roll-out {rollout.pk}")


def rule_link(rule: Rule) -> SafeString:
    """Return a link to a rule's page."""
    return registry_link("rule", rule.pk, f"rule {rule.number}")


def rollouts_of(which: Q) -> QuerySet[Rollout]:
    """Return the newest of these roll-outs, with the rows that each names."""
    rows = Rollout.objects.select_related("model", "stable__model", "candidate__model")
    return rows.filter(which).order_by("-id")[:MOST_OF_MODEL]


def rollouts_table(rollouts: Iterable[Rollout]) -> SafeString | str:
    """Return roll-outs as a table, for the pages of models, versions and aliases."""
    rows = [
        (
            rollout_link(rollout), state_badge(rollout), alias_name(rollout), from_to(rollout),
            share(rollout), met(rollout), rollout.sentence or NONE, aged(rollout.state_since),
        )
        for rollout in rollouts
    ]  # fmt: skip
    names = ("roll-out", "state", "alias", "from → to", "share", "met", "how it stands", "since")
    return table(names, rows) if rows else NONE


def started(rollout: Rollout) -> SafeString:
    """Return when a roll-out was started, by whom and from where."""
    origin = f" from {rollout.address}" if rollout.address else ""
    return format_html("{} by {}{}", aged(rollout.created_at), rollout.actor, origin)
