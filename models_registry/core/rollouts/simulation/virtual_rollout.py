"""One roll-out in virtual time: looks, acts and what they lead to, until it ends or the time is up."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp

from msgspec import Struct

from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence, with_duels
from models_registry.core.rollouts.evidence.gathered import GatheredEvidence, absorb
from models_registry.core.rollouts.evidence.tick import without_known
from models_registry.core.rollouts.judge import judge
from models_registry.core.rollouts.judging.exposure import paced_share_ppm, step_share_ppm
from models_registry.core.rollouts.judging.judge_act import ActKind, JudgeAct
from models_registry.core.rollouts.judging.standing import RolloutStanding
from models_registry.core.rollouts.rollout_states import HoldReason, RolloutState
from models_registry.core.rollouts.simulation.chance import Chance, binomial_count, normal
from models_registry.core.rollouts.simulation.scenario import RolloutScenario
from models_registry.core.rollouts.simulation.virtual_traffic import VirtualTraffic

_TIMED_PAIRS = 8  # pairs of a duel that ran in one batch
_DUEL_SIGMA = 0.1  # of the log ratio of a pair of batches


class TrailPoint(Struct, frozen=True):
    """One look, for a picture."""

    at_s: float
    share_ppm: int
    e: float
    met: int


class VirtualEnd(Struct, frozen=True):
    """How a simulated roll-out ended: `rolled_back`, `done`, or the state and reason it was left in.

    `over_budget` is by how much an unproven candidate met more than its budget, `last_tick` the claims of
    the tick in which it did.
    """

    state: RolloutState
    held: HoldReason | None
    reason: str
    seconds: float
    met: int
    judged: int
    proven: bool
    budget: int
    over_budget: int
    last_tick: int
    sentence: str
    trail: tuple[TrailPoint, ...] = ()


@dataclass(slots=True)
class VirtualRollout:
    """A roll-out that is running."""

    scenario: RolloutScenario
    chance: Chance
    traced: bool = False
    stops_when_proven: bool = False
    now_s: float = 0.0
    state: RolloutState = RolloutState.RUNNING
    held: HoldReason | None = None
    step: int = 0
    share_ppm: int = 0
    met: int = 0
    proven: bool = False
    deaths_held: int = 0
    step_at_s: float = 0.0
    state_at_s: float = 0.0
    over_budget: int = 0
    last_tick: int = 0
    pairs_needed: float = 1.0
    known: set[int] = field(default_factory=set)
    evidence: GatheredEvidence = field(default_factory=GatheredEvidence)
    duels: DuelEvidence = field(default_factory=DuelEvidence)
    trail: list[TrailPoint] = field(default_factory=list)

    def run(self) -> VirtualEnd:
        """Look until it ends, or until the horizon."""
        traffic = VirtualTraffic(self.scenario, self.chance)
        plan = self.scenario.plan
        self.share_ppm = paced_share_ppm(self._standing(), step_share_ppm(plan, 0))
        act = None
        while self.now_s < self.scenario.horizon_s and not self._ended:
            self._look(traffic)
            act = judge(plan, self._standing(), self.evidence, self.duels)
            self.pairs_needed = act.numbers.get("pairs_needed", 0.0)
            self._apply(act)
        return self._end(act)

    @property
    def _ended(self) -> bool:
        over = self.state in (RolloutState.ROLLED_BACK, RolloutState.DONE)
        return over or (self.stops_when_proven and self.proven) or self._stuck

    @property
    def _stuck(self) -> bool:
        """Return whether a person would have to act: no more jobs, and no more duels, will change it."""
        return self.held is HoldReason.BUDGET and not self.scenario.duels_per_look

    def _standing(self) -> RolloutStanding:
        return RolloutStanding(
            self.state,
            self.scenario.jobs_in_budget,
            self.step,
            self.share_ppm,
            met=self.met,
            proven=self.proven,
            at_step_s=self.now_s - self.step_at_s,
            in_state_s=self.now_s - self.state_at_s,
            held=self.held,
            deaths_held=self.deaths_held,
            arrivals_per_s=self.scenario.rate_per_s,
            tick_s=self.scenario.look_s,
        )

    def _look(self, traffic: VirtualTraffic) -> None:
        baking = self.state is RolloutState.BAKING
        look = traffic.look(self.now_s, self.share_ppm, self.step, baking=baking)
        self.now_s += self.scenario.look_s
        self.met += look.claimed
        if not self.proven and self.met - self.scenario.jobs_in_budget > self.over_budget:
            self.over_budget, self.last_tick = self.met - self.scenario.jobs_in_budget, look.claimed
        counted = without_known(look.tick, self.known)
        self.known |= counted.newly_known
        self.evidence = absorb(self.evidence, counted.tick)
        if self.scenario.duels_per_look and self.duels.pairs < self.pairs_needed:
            self.duels = with_duels(self.duels, self._some_duels())
        if self.traced:
            e = self.evidence.failures.e
            self.trail.append(TrailPoint(self.now_s, self.share_ppm, e, self.met))

    def _some_duels(self) -> DuelEvidence:
        """Return the duels of a look: failures that both versions share, those of one alone, and times."""
        scenario, chance, pairs = self.scenario, self.chance, self.scenario.duels_per_look
        alone = scenario.errors_at(self.now_s, self.step) * 0.1
        timed = max(1, pairs // _TIMED_PAIRS)
        allowed = scenario.slower / scenario.plan.slower
        slower = sum(allowed * exp(_DUEL_SIGMA * normal(chance)) > 1.0 for _ in range(timed))
        ours = binomial_count(chance, pairs, min(0.5, alone + scenario.worse))
        theirs = binomial_count(chance, pairs - ours, alone)
        return DuelEvidence(pairs, ours, theirs, timed, slower)

    def _apply(self, act: JudgeAct) -> None:
        if act.kind is ActKind.KEEP:
            return
        self.share_ppm, self.step = act.share_ppm, act.step
        if act.kind is ActKind.PROVE:
            self.proven = True
        if act.kind in (ActKind.STEP, ActKind.BAKE, ActKind.RESUME):
            self.step_at_s = self.now_s
        state = _STATES.get(act.kind)
        if state is not None:
            self.state, self.held, self.state_at_s = state, act.held, self.now_s
        if act.held is HoldReason.WORKER_DEATH:
            self.deaths_held = self.evidence.deaths

    def _end(self, act: JudgeAct | None) -> VirtualEnd:
        return VirtualEnd(
            self.state,
            self.held,
            act.reason if act else "",
            self.now_s,
            self.met,
            self.evidence.judged,
            self.proven,
            self.scenario.jobs_in_budget,
            self.over_budget,
            self.last_tick,
            act.sentence if act else "",
            tuple(self.trail),
        )


_STATES = {
    ActKind.HOLD: RolloutState.HELD,
    ActKind.RESUME: RolloutState.RUNNING,
    ActKind.BAKE: RolloutState.BAKING,
    ActKind.FINISH: RolloutState.DONE,
    ActKind.ROLL_BACK: RolloutState.ROLLED_BACK,
}
