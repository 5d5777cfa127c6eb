"""One look of the judge at a roll-out: read, decide and act, in one transaction of the lease's holder."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from math import ceil
from typing import NamedTuple, Protocol

from django.db import transaction
from django.db.models.functions import Now

from jobs.core.failures import FailureKind
from jobs.core.queue_names import queues_of
from jobs.db.statement import Statement, execute
from jobs.services.lifecycle.loaded_versions import workers_without
from jobs.services.rollouts.changing import (
    BY_JUDGE,
    add_point,
    change,
    held_for,
    lacks_approvals,
    locked,
    move,
    plan_of,
    put_alone,
    put_share,
    tell,
)
from jobs.services.rollouts.evidence_rows import (
    MOST_TALLIES,
    KeptEvidence,
    absorbed,
    count_rows,
    keep,
    kept_evidence,
    take_tallies,
)
from jobs.services.rollouts.judged_acts import apply, hold
from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence
from models_registry.core.rollouts.judge import judge
from models_registry.core.rollouts.judging.exposure import PPM, paced_share_ppm, step_share_ppm
from models_registry.core.rollouts.judging.judge_act import ActKind, JudgeAct
from models_registry.core.rollouts.judging.rollout_case import RolloutCase
from models_registry.core.rollouts.judging.standing import JUDGED_STATES, RolloutStanding
from models_registry.core.rollouts.rollout_states import HoldReason, RolloutState, RolloutVerb
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.models import Rollout, Rule

POINT_EVERY_S = 60.0
COUNTING_PART = 0.02  # of the time may go into counting what waits: a deep queue is counted less often


class GateOutcome(Protocol):
    """How a gate ended."""

    @property
    def passed(self) -> bool:
        """Return whether the candidate may get traffic."""

    @property
    def sentence(self) -> str:
        """Return why, for people."""


class Trials(Protocol):
    """Trials of roll-outs: gates and duels."""

    def begin_gate(self, rollout: Rollout) -> object:
        """Order a gate, unless there is one."""

    def gate_result(self, rollout: Rollout) -> GateOutcome | None:
        """Return how the gate ended; None while it runs."""

    def begin_duels(self, rollout: Rollout, *, pairs: int | None = None) -> object:
        """Order duels up to `pairs` in all, the plan's number by default, unless they are ordered."""

    def duel_evidence(self, rollout: Rollout) -> DuelEvidence:
        """Return what the duels have shown so far."""


class _Moments(NamedTuple):
    at_step_s: float
    in_state_s: float
    arrivals_per_s: float


_MOMENTS = Statement(
    """
SELECT extract(epoch FROM now() - step_since)::float8 AS at_step_s,
  extract(epoch FROM now() - state_since)::float8 AS in_state_s,
  coalesce((
    SELECT sum(arrivals_per_s) FROM jobs_queuestanding WHERE queue = ANY(%(queues)s::text[])
  ), 0)::float8 AS arrivals_per_s
FROM models_registry_rollout WHERE id = %(rollout)s
""",
    _Moments,
)
_WAITING = Statement(
    """
SELECT count(*) FROM jobs_outbox outbox JOIN jobs_route route USING (job_id)
WHERE outbox.queue = ANY(%(queues)s::text[]) AND outbox.version_id = %(candidate)s
  AND route.rollout = %(rollout)s
""",
    int,
)
# Jobs of a dead worker run apart: those that wait, and those that a worker has in hand.
_SUSPECTS = Statement(
    """
SELECT (
  SELECT count(*) FROM jobs_outbox outbox JOIN jobs_route route USING (job_id)
  WHERE outbox.queue = ANY(%(queues)s::text[]) AND outbox.apart <> 0 AND route.rollout = %(rollout)s
) + (
  SELECT coalesce(sum(batch.size), 0) FROM jobs_batch batch
  WHERE batch.finished_at IS NULL AND batch.apart <> 0 AND batch.version_id = %(stable)s
)
""",
    int,
)

_GUILTY_INPUTS = Statement(
    """
SELECT max(letter.created_at) FROM jobs_deadletter letter
JOIN jobs_route route ON route.job_id = letter.job_id JOIN jobs_job job ON job.id = letter.job_id
WHERE letter.queue = %(model)s AND letter.kind = %(crash)s AND letter.discarded_at IS NULL
  AND letter.created_at > (SELECT state_since FROM models_registry_rollout WHERE id = %(rollout)s)
  AND route.rollout = %(rollout)s AND route.arm = 'candidate' AND job.version_id = %(stable)s
  AND letter.created_at > coalesce(%(excused_until)s::timestamptz, '-infinity')
""",
    datetime,
)


class Looks:
    """The judge's looks; what it remembers between two of them only saves work."""

    def __init__(self, trials: Trials, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to look; `clock` returns monotonic seconds."""
        self._trials, self._clock = trials, clock
        self._point_at: dict[int, float] = {}
        self._waiting: dict[int, tuple[int, float]] = {}  # what waits, and when it is counted again

    def look(self, rollout_id: int) -> bool:
        """Look at a live roll-out; return whether there is more to read. Requires a transaction."""
        rollout = locked(rollout_id)
        match RolloutState(rollout.state):
            case RolloutState.PLANNED:
                self._begin(rollout)
            case RolloutState.GATING:
                self._gate(rollout)
            case state if state in JUDGED_STATES:
                return self._judge(rollout)
        return False

    def _begin(self, rollout: Rollout) -> None:
        if lacks := lacks_approvals(rollout):
            _say(rollout, f"It waits for {lacks} approval{'s' if lacks > 1 else ''}.")
            return
        move(rollout, RolloutVerb.GATE, sentence="Its gate runs before it gets any traffic.")
        put_share(rollout, 0, by=BY_JUDGE)  # workers load what a rule names before it gets a share
        self._trials.begin_gate(rollout)
        tell(rollout, "gate", by=BY_JUDGE)

    def _gate(self, rollout: Rollout) -> None:
        outcome = self._trials.gate_result(rollout)
        if outcome is None:
            return
        if not outcome.passed:
            move(rollout, RolloutVerb.REFUSE, sentence=f"Refused by its gate: {outcome.sentence}")
            put_alone(rollout, rollout.stable.version, by=BY_JUDGE)
            tell(rollout, "refuse", by=BY_JUDGE)
            return
        without = workers_without(model=rollout.model.name, version=rollout.candidate_id)
        if without:
            names = ", ".join(worker.node for worker in without)
            _say(rollout, f"It passed its gate, and waits until it is loaded on {names}.")
            return
        self._pass(rollout, outcome.sentence)

    def _pass(self, rollout: Rollout, sentence: str) -> None:
        plan = plan_of(rollout)
        standing = self._standing(rollout)
        share_ppm = paced_share_ppm(standing, step_share_ppm(plan, 0))
        move(rollout, RolloutVerb.PASS, sentence=f"It passed its gate: {sentence}", step_since=Now())
        put_share(rollout, share_ppm, by=BY_JUDGE)
        if plan.duels:
            self._trials.begin_duels(rollout)
        tell(rollout, "pass", by=BY_JUDGE)

    def _judge(self, rollout: Rollout) -> bool:
        _follow_deaths(rollout)
        rows, plan = take_tallies(rollout.pk), plan_of(rollout)
        baseline = plan.baseline and 0 < rollout.share_ppm < PPM // 2
        kept = kept_evidence(rollout.pk)
        excused_at = _excuse_death(rollout, kept)
        evidence = absorbed(
            kept.evidence, rows, rollout=rollout.pk, share_ppm=rollout.share_ppm, step=rollout.step,
            baseline=baseline, excused=int(excused_at is not None),
        )  # fmt: skip
        transaction.on_commit(partial(count_rows, rollout.model.name, rows))
        standing = self._standing(rollout)
        duels = self._trials.duel_evidence(rollout) if plan.duels else DuelEvidence()
        act = judge(plan, standing, evidence, duels)
        passes = RolloutCase.of(plan, standing, evidence, duels).passes
        keep(rollout.pk, KeptEvidence(evidence, act.numbers, passes, excused_at or kept.excused_until))
        if act.kind is not ActKind.ROLL_BACK and (lacks := lacks_approvals(rollout)):
            self._await_approval(rollout, lacks)
        elif held_for(rollout) is HoldReason.APPROVAL and act.kind is not ActKind.ROLL_BACK:
            self._approved(rollout, standing)
        else:
            apply(rollout, act)
        self._each_minute(rollout, act)
        return len(rows) == MOST_TALLIES

    def _await_approval(self, rollout: Rollout, lacks: int) -> None:
        if held_for(rollout) not in (HoldReason.APPROVAL, HoldReason.PAUSED):
            words = f"Held: its plan is another one now, and {lacks} approval{'s' if lacks > 1 else ''} lack."
            hold(rollout, HoldReason.APPROVAL, sentence=words, share_ppm=0)

    def _approved(self, rollout: Rollout, standing: RolloutStanding) -> None:
        share_ppm = paced_share_ppm(standing, step_share_ppm(plan_of(rollout), rollout.step))
        move(rollout, RolloutVerb.RESUME, sentence="It is approved and goes on.", hold="", step_since=Now())
        put_share(rollout, share_ppm, by=BY_JUDGE)
        tell(rollout, "resume", by=BY_JUDGE)

    def _standing(self, rollout: Rollout) -> RolloutStanding:
        queues = queues_of(rollout.model.name)
        (moments,) = execute(_MOMENTS, {"rollout": rollout.pk, "queues": queues})
        held = held_for(rollout)
        names = {"queues": queues, "rollout": rollout.pk, "stable": rollout.stable_id}
        suspects = execute(_SUSPECTS, names)[0] if held is HoldReason.WORKER_DEATH else 0
        return RolloutStanding(
            state=RolloutState(rollout.state),
            budget=rollout.budget,
            step=rollout.step,
            share_ppm=rollout.share_ppm,
            met=rollout.met,
            waiting=0 if rollout.proven else self._count_waiting(rollout),
            proven=rollout.proven,
            held=held,
            deaths_held=rollout.deaths,
            suspects=suspects,
            **moments._asdict(),
        )

    def _count_waiting(self, rollout: Rollout) -> int:
        began_s = self._clock()
        count, again_s = self._waiting.get(rollout.pk, (0, began_s))
        if began_s < again_s:
            return count
        queues = queues_of(rollout.model.name)
        names = {"queues": queues, "rollout": rollout.pk, "candidate": rollout.candidate_id}
        (count,) = execute(_WAITING, names)
        ended_s = self._clock()
        self._waiting[rollout.pk] = (count, ended_s + (ended_s - began_s) / COUNTING_PART - 1.0)
        return count

    def _each_minute(self, rollout: Rollout, act: JudgeAct) -> None:
        now_s, plan = self._clock(), plan_of(rollout)
        if rollout.state not in JUDGED_STATES or now_s < self._point_at.get(rollout.pk, now_s):
            return
        self._point_at[rollout.pk] = now_s + POINT_EVERY_S
        if act.kind is ActKind.KEEP:
            add_point(rollout)
        if plan.duels and not rollout.proven:  # more of them where what they showed asks for it
            pairs = max(plan.duels, ceil(act.numbers.get("pairs_needed", 0.0)))
            self._trials.begin_duels(rollout, pairs=pairs)


def _follow_deaths(rollout: Rollout) -> None:
    """Put the row's share in force: where a worker died it was set to 0 at once, without a rule."""
    document = Rule.objects.filter(pk=rollout.rule or 0).values_list("document", flat=True).first()
    if document is not None and RuleDocument.of(document).share_ppm != rollout.share_ppm:
        change(rollout, sentence="Held: a worker died with the candidate's jobs in hand.")
        put_share(rollout, rollout.share_ppm, by=BY_JUDGE)
        tell(rollout, "hold", by=BY_JUDGE, held=rollout.hold)


def _excuse_death(rollout: Rollout, kept: KeptEvidence) -> datetime | None:
    """Excuse one death if an input is to blame, because its job ended a worker on the stable version too.

    Return when the newest such job was buried, None if there is none. Several at once (of one batch, or
    identical ones) excuse one death: too few are excused rather than too many.
    """
    if held_for(rollout) is not HoldReason.WORKER_DEATH or not min(rollout.deaths, kept.evidence.deaths):
        return None
    names = {"model": rollout.model.name, "rollout": rollout.pk, "stable": rollout.stable_id}
    known = {"crash": FailureKind.CRASH.value, "excused_until": kept.excused_until}
    (buried_at,) = execute(_GUILTY_INPUTS, {**names, **known})
    if buried_at is not None:
        change(rollout, deaths=rollout.deaths - 1)
    return buried_at


def _say(rollout: Rollout, sentence: str) -> None:
    if rollout.sentence != sentence:
        change(rollout, sentence=sentence)
