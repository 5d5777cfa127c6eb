"""A roll-out's trials: its gate, its duels with their agreement, and the jobs whose outputs differ most."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.rollouts.report_cells import DIFFERENCES, differences_table, report_tables
from jobs.models import Trial, TrialKind
from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence, with_duels
from models_registry.models import Rollout
from models_registry.shared.admin_render import NONE, table

MOST_TRIALS = 20


def trial_link(trial: Trial) -> SafeString:
    """Return a link to a trial's page."""
    address = reverse("admin:jobs_trial_change", args=(trial.pk,))
    return format_html('<a href="{}">{} {}</a>', address, trial.kind, trial.pk)


def gate_cell(rollout: Rollout) -> SafeString | str:
    """Return the result and the report of the newest gate."""
    gate = _trials(rollout, TrialKind.GATE).first()
    if gate is None:
        return "not begun"
    head = format_html("<p>{}: {}. {}</p>", trial_link(gate), gate.state, gate.outcome)
    return format_html("{}{}", head, report_tables(gate.report)) if gate.report else head


def duels_cell(rollout: Rollout) -> SafeString | str:
    """Return what all duels of the roll-out have shown, beside those of the stable version against itself."""
    trials = list(_trials(rollout, TrialKind.DUEL)[:MOST_TRIALS])
    if not trials:
        return "not begun"
    links = format_html("<p>{}: {}. {}</p>", trial_link(trials[0]), trials[0].state, trials[0].outcome)
    return format_html("{}{}", links, _counts(counts_of(trials)))


def counts_of(trials: Iterable[Trial]) -> DuelEvidence:
    """Return the counts of duels, those that run included."""
    counts = DuelEvidence()
    for trial in trials:
        counts = with_duels(counts, DuelEvidence.of(trial.progress.get("duels") or {}))
    return counts


def _counts(duels: DuelEvidence) -> SafeString:
    rows = [
        ("pairs of runs", f"{duels.pairs:,}", NONE),
        ("only the candidate failed", f"{duels.candidate_failed:,}", NONE),
        ("only the stable version failed", f"{duels.stable_failed:,}", NONE),
        (
            "outputs that agree",
            _part(duels.agreed, duels.compared),
            _part(duels.noise_agreed, duels.noise_compared),
        ),
        (
            "batches that took too long",
            _part(duels.slower, duels.timed),
            _part(duels.noise_slower, duels.noise_timed),
        ),
        ("time on the device", f"{duels.seconds:,.1f} s", NONE),
    ]
    return table(("duels", "candidate against stable", "stable against stable"), rows)


def _part(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.2%})" if whole else NONE


def differences_cell(rollout: Rollout, *, linked: bool) -> SafeString | str:
    """Return the jobs of the roll-out's trials whose outputs differ most."""
    trials = Trial.objects.filter(rollout=rollout.pk, report__isnull=False).order_by("-id")[:MOST_TRIALS]
    rows = chain.from_iterable((trial.report or {}).get(DIFFERENCES) or [] for trial in trials)
    return differences_table(list(rows), linked=linked)


def _trials(rollout: Rollout, kind: TrialKind) -> QuerySet[Trial]:
    return Trial.objects.filter(rollout=rollout.pk, kind=kind).order_by("-id")
