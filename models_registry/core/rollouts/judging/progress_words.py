"""Sentences that say where a roll-out stands, for the API, the command and the admin."""

from __future__ import annotations

from math import inf, isfinite

from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence
from models_registry.core.rollouts.evidence.gathered import GatheredEvidence
from models_registry.core.rollouts.judging.exposure import PPM
from models_registry.core.rollouts.judging.findings import Need, RolloutFinding, RolloutTest
from models_registry.core.rollouts.judging.standing import RolloutStanding

_UNITS = ((2_629_800.0, "months"), (86_400.0, "days"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))
_LONG_S = 7 * 86_400.0  # a wait beside which a backtest is worth naming
_PAIR_S = 0.2  # two runs and their payloads, where no pair was run yet
_EXACT = 100

TEST_WORDS = {
    RolloutTest.FAILURES: "failures",
    RolloutTest.REFUSALS: "refusals",
    RolloutTest.LATENCY: "live latency",
    RolloutTest.DUEL_FAILURES: "failures in duels",
    RolloutTest.DUEL_TIME: "service time in duels",
    RolloutTest.AGREEMENT: "agreement in duels",
}


def duration_words(seconds: float) -> str:
    """Return a duration in at most two units, such as `3 h 20 min`, `14 months`."""
    if seconds < 1.0:
        return "1 s"
    place = next(i for i, (unit_s, _) in enumerate(_UNITS) if seconds >= unit_s)
    unit_s, name = _UNITS[place]
    if place not in (1, 2):
        return f"{seconds / unit_s:,.0f} {_named(round(seconds / unit_s), name)}"
    small_s, small = _UNITS[place + 1]
    whole, rest = divmod(round(seconds / small_s), round(unit_s / small_s))
    words = f"{whole} {_named(whole, name)}"
    return f"{words} {rest} {_named(rest, small)}" if rest else words


def _named(count: int, unit: str) -> str:
    return unit[:-1] if count == 1 and unit in ("months", "days") else unit


def about(count: float) -> str:
    """Return a number with two significant digits, such as `4,900`."""
    if count < _EXACT:
        return f"{count:,.0f}"
    return f"{float(f'{count:.2g}'):,.0f}"


def evidence_words(evidence: GatheredEvidence, finding: RolloutFinding) -> str:
    """Return what a test found: `3 failed against 0.4 expected; e = 61 of 200`."""
    e = f"e = {about(finding.e)} of {finding.bar:,.0f}"
    if finding.test is RolloutTest.FAILURES:
        test = evidence.failures
        return f"{test.failed_ours:,} failed against {test.expected_ours:,.1f} expected; {e}"
    if finding.test is RolloutTest.REFUSALS:
        test = evidence.refusals
        return f"{test.failed_ours:,} refused against {test.expected_ours:,.1f} expected; {e}"
    return f"{TEST_WORDS[finding.test]} {100 * finding.harm:+.1f} points from what is allowed; {e}"


def eta_s(standing: RolloutStanding, need: Need) -> float:
    """Return the seconds until enough keys are judged at the share and rate of now; infinite without any."""
    keys_per_s = standing.arrivals_per_s * standing.share_ppm / PPM
    missing = need.keys_needed - need.keys
    return missing / keys_per_s if keys_per_s > 0.0 else inf


def need_words(standing: RolloutStanding, need: Need, duels: DuelEvidence) -> str:
    """Return how far the proof is: `412 of about 4,900 jobs; at today's rate in 3 h 20 min`."""
    if not isfinite(need.keys_needed):
        return f"{need.keys:,} jobs judged, and none of the stable version to compare{_by_duels(need, duels)}"
    progress = f"{need.keys:,} of about {about(need.keys_needed)} jobs"
    seconds = eta_s(standing, need)
    if not isfinite(seconds):
        return f"{progress}; no jobs arrive{_by_duels(need, duels)}"
    wait = f"{progress}; at today's rate in {duration_words(seconds)}"
    runs_out = not standing.proven and need.keys_needed - need.keys > standing.left
    wait += f", the budget ends {standing.left:,} jobs from now" if runs_out else ""
    return wait + (_by_duels(need, duels) if runs_out or seconds > _LONG_S else "")


def _by_duels(need: Need, duels: DuelEvidence) -> str:
    if not isfinite(need.pairs_needed):
        return ""
    missing = max(0.0, need.pairs_needed - need.pairs)
    pair_s = duels.seconds / duels.pairs if duels.pairs else _PAIR_S
    return f"; {about(missing)} more duels on stored inputs would take {duration_words(missing * pair_s)}"
