"""The judge of a roll-out: from the evidence and where it stands to what is to be done. Pure.

In this order: going back, which the evidence alone decides in every state; a worker's death; the proof; what
the state asks for. No step is made by time alone, no candidate meets more than its budget before it is
proven, and only a person lets go on what a person paused.
"""

from __future__ import annotations

from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence
from models_registry.core.rollouts.evidence.gathered import GatheredEvidence
from models_registry.core.rollouts.judging.exposure import PPM, paced_share_ppm, step_share_ppm
from models_registry.core.rollouts.judging.findings import UNSUSPICIOUS_E, worst
from models_registry.core.rollouts.judging.judge_act import ActKind, JudgeAct
from models_registry.core.rollouts.judging.progress_words import TEST_WORDS, duration_words
from models_registry.core.rollouts.judging.rollout_case import RolloutCase
from models_registry.core.rollouts.judging.standing import RolloutStanding, check_standing
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.rollout_states import HoldReason, RolloutState

WORKER_DEATHS = "worker_deaths"
MOST_DEATHS = 2  # the second one rolls back
AFTER_DEATH_S = 60.0
BY_PERSONS = frozenset({HoldReason.PAUSED, HoldReason.APPROVAL})


def judge(plan: Plan, standing: RolloutStanding, evidence: GatheredEvidence, duels: DuelEvidence) -> JudgeAct:
    """Return what is to be done now; EvidenceError where the standing cannot be judged."""
    check_standing(plan, standing)
    case = RolloutCase.of(plan, standing, evidence, duels)
    return _back(case) or _after_a_death(case) or _proof(case) or _BY_STATE[standing.state](case)


def _back(case: RolloutCase) -> JudgeAct | None:
    deaths = case.evidence.deaths
    if deaths >= MOST_DEATHS:
        words = f"Rolled back: {deaths} workers died with its jobs in hand."
        return case.act(ActKind.ROLL_BACK, words, share_ppm=0, reason=WORKER_DEATHS)
    against = [finding for finding in case.findings if finding.rolls_back]
    if not against:
        return None
    first = worst(against)
    words = f"Rolled back for {TEST_WORDS[first.test]}: {case.words_of(first)}."
    return case.act(ActKind.ROLL_BACK, words, share_ppm=0, reason=first.test.value)


def _after_a_death(case: RolloutCase) -> JudgeAct | None:
    standing = case.standing
    if case.evidence.deaths <= standing.deaths_held:
        return None
    words = "a worker died with the candidate's jobs in hand; they run on the stable version"
    if standing.held in BY_PERSONS:
        return (
            case.act(ActKind.SHARE, f"Still {standing.held}: {words}.", share_ppm=0)
            if standing.share_ppm
            else None
        )
    return case.act(ActKind.HOLD, f"Held: {words}.", held=HoldReason.WORKER_DEATH, share_ppm=0)


def _proof(case: RolloutCase) -> JudgeAct | None:
    if case.standing.proven or not case.need.met or case.suspect:
        return None
    by = f"{case.need.keys:,} jobs were judged"
    if not case.need.by_keys:
        by = f"{case.need.pairs:,} duels were run"
    return case.act(ActKind.PROVE, f"Proven: {by}, {case.words_of(case.worst)}.")


def _running(case: RolloutCase) -> JudgeAct:
    standing = case.standing
    if standing.exhausted:
        return case.act(ActKind.HOLD, f"Held: {case.summary}.", held=HoldReason.BUDGET, share_ppm=0)
    if suspect := case.suspect:
        words = f"Held, the share stays: {case.words_of(suspect)}."
        return case.act(ActKind.HOLD, words, held=HoldReason.SUSPICIOUS, share_ppm=_lower_ppm(case))
    return _share_lowered(case) or _forward(case) or _starved(case) or _share_raised(case) or _kept(case)


def _share_lowered(case: RolloutCase) -> JudgeAct | None:
    return _with_share(case) if case.paced_ppm < case.standing.share_ppm else None


def _share_raised(case: RolloutCase) -> JudgeAct | None:
    return _with_share(case) if case.paced_ppm > case.standing.share_ppm else None


def _with_share(case: RolloutCase) -> JudgeAct:
    share_ppm = case.paced_ppm
    words = f"Share {share_ppm / 10_000:g} %: {case.summary}."
    return case.act(ActKind.SHARE, words, share_ppm=share_ppm)


def _forward(case: RolloutCase) -> JudgeAct | None:
    """Make a step where this one has shown enough: jobs at this step, and keys or duels since the start."""
    plan, standing = case.plan, case.standing
    if standing.at_step_s < plan.step_s or not case.passes:
        return None
    last = len(plan.steps) - 1
    step = min(standing.step + 1, last)
    share_ppm = step_share_ppm(plan, step)
    if step == last:
        words = f"All but {plan.holdback:g} % for {duration_words(plan.bake_s)}: {case.summary}."
        return case.act(ActKind.BAKE, words, share_ppm=share_ppm, step=step)
    words = f"Step {step + 1} of {len(plan.steps)}, {plan.steps[step]:g} %: {case.summary}."
    return case.act(ActKind.STEP, words, share_ppm=paced_share_ppm(standing, share_ppm), step=step)


def _starved(case: RolloutCase) -> JudgeAct | None:
    at_step_s = case.standing.at_step_s
    if at_step_s < case.plan.starve_after_s or case.passes:
        return None
    progress = case.progress
    words = f"Held: not enough jobs within {duration_words(at_step_s)}: {progress}."
    return case.act(ActKind.HOLD, words, held=HoldReason.STARVED, share_ppm=_lower_ppm(case))


def _kept(case: RolloutCase) -> JudgeAct:
    words = case.summary if case.need.met else case.progress
    return case.act(ActKind.KEEP, f"{words}.")


def _held(case: RolloutCase) -> JudgeAct:
    standing = case.standing
    if standing.held in BY_PERSONS:
        words = f"Still {standing.held}: {case.summary}."
        exposes = standing.exhausted and standing.share_ppm > 0
        return case.act(ActKind.SHARE, words, share_ppm=0) if exposes else case.act(ActKind.KEEP, words)
    if standing.exhausted and standing.held is not HoldReason.BUDGET:
        if standing.held is not HoldReason.WORKER_DEATH or _survived(case):
            return case.act(ActKind.HOLD, f"Held: {case.summary}.", held=HoldReason.BUDGET, share_ppm=0)
    elif _over(case):
        return case.act(ActKind.RESUME, f"Goes on: {case.summary}.", share_ppm=_resumed_ppm(case))
    if case.paced_ppm < standing.share_ppm:
        return _with_share(case)
    return case.act(ActKind.KEEP, f"Held: {_held_words(case)}.")


def _held_words(case: RolloutCase) -> str:
    if case.standing.held in (HoldReason.STARVED, HoldReason.BUDGET):
        return f"{case.summary}; {case.progress}"
    return case.summary


def _resumed_ppm(case: RolloutCase) -> int:
    keeps_share = case.standing.held in (HoldReason.SUSPICIOUS, HoldReason.STARVED)
    return _lower_ppm(case) if keeps_share else case.paced_ppm


def _lower_ppm(case: RolloutCase) -> int:
    """Return the share of now, or less where the budget has no room for it in the next tick."""
    return min(case.standing.share_ppm, case.paced_ppm)


def _over(case: RolloutCase) -> bool:
    """Return whether the reason to hold is gone."""
    match case.standing.held:
        case HoldReason.WORKER_DEATH:
            return _survived(case)
        case HoldReason.SUSPICIOUS:
            return not any(finding.suspicious(UNSUSPICIOUS_E) for finding in case.findings)
        case HoldReason.STARVED:
            return case.passes
        case HoldReason.BUDGET:
            return not case.standing.exhausted
        case _:
            return False


def _survived(case: RolloutCase) -> bool:
    return case.standing.in_state_s >= AFTER_DEATH_S and not case.standing.suspects


def _baking(case: RolloutCase) -> JudgeAct:
    plan, standing = case.plan, case.standing
    if suspect := case.suspect:
        return case.act(ActKind.KEEP, f"Not finished: {case.words_of(suspect)}.")
    if standing.in_state_s >= plan.bake_s:
        return case.act(ActKind.FINISH, f"Done: {case.summary}.", share_ppm=PPM)
    left = duration_words(plan.bake_s - standing.in_state_s)
    return case.act(ActKind.KEEP, f"{case.summary}; done in {left}.")


_BY_STATE = {RolloutState.RUNNING: _running, RolloutState.HELD: _held, RolloutState.BAKING: _baking}
