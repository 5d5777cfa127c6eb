"""The bench of a search: it asks the simulator, counts what that cost, and keeps every answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.tuning.evaluation import Ask, Estimated, Question, group_of, joined
from jobs.core.tuning.setting_space import TunedSetting
from jobs.core.tuning.workload import FRESH, Workload

CHECKED_IN_PARTS = 4  # on several cores
STABLE = 0.98  # of what full batches reach: nearer to it, the queue grows for longer than is simulated
BURST_BATCHES, BURST_JOBS = 12, (200, 6_000)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated: for the first look, for a rate, and to check the result with fresh numbers.

    `step` is by how much a rate has to be higher to count as higher. A replication lasts `goals` times the
    goal where its jobs are fewer than that takes, up to `longer` times as many for each simulated worker: an
    overload by a part e adds e seconds a second to each latency, so what is too short does not show it.
    """

    candidates: int = 64
    screen_jobs: int = 400
    replications: int = 6
    jobs: int = 1_000
    fresh_replications: int = 12
    fresh_jobs: int = 2_000
    step: float = 0.02
    goals: float = 20.0
    longer: float = 3.0


@dataclass(slots=True)
class Bench:
    """Asks for settings of one workload, goal and number of workers; `simulated` counts jobs."""

    workload: Workload
    goal: LoadGoal
    workers: int
    effort: Effort
    ask: Ask
    simulated: int = 0
    answers: list[Estimated] = field(default_factory=list)
    _most: dict[tuple[TunedSetting, int], float] = field(default_factory=dict)

    def screen(
        self, settings: Sequence[TunedSetting], rate_per_s: float, *, jobs: int, replications: int = 1
    ) -> list[Estimated]:
        """Look at many settings shortly; those that cannot reach the rate at all are not simulated."""
        able = [one for one in settings if self.workload.most_per_s(one, self.workers) > rate_per_s]
        return self._ask([Question(one, rate_per_s, self.workers, replications, jobs) for one in able])

    def measure(self, settings: Sequence[TunedSetting], rates_per_s: Sequence[float]) -> list[Estimated]:
        """Estimated for each setting at each rate, with the bound that counts."""
        effort = self.effort
        return self._ask(
            [
                Question(one, rate, self.workers, effort.replications, self._jobs(effort.jobs, rate))
                for one in settings
                for rate in rates_per_s
            ]
        )

    def most_per_s(self, setting: TunedSetting) -> float:
        """Return the highest rate that may be tried: a little less than a backlog is worked off at.

        A burst of few batches may end all at once, so it counts no more than full batches could do.
        """
        if (setting, self.workers) not in self._most:
            least, most = BURST_JOBS
            jobs = min(max(least, BURST_BATCHES * setting.max_batch * setting.lanes * self._group), most)
            question = Question(setting, inf, self.workers, 1, jobs)
            drained_per_s = self._ask([question], keeps=False)[0].throughput_per_s
            able_per_s = self.workload.most_per_s(setting, self.workers)
            self._most[setting, self.workers] = STABLE * min(drained_per_s, able_per_s)
        return self._most[setting, self.workers]

    def check(self, setting: TunedSetting, rate_per_s: float) -> Estimated:
        """Estimated with random numbers that no search has seen, and more of them."""
        effort = self.effort
        jobs = self._jobs(effort.fresh_jobs, rate_per_s)
        parts = min(CHECKED_IN_PARTS, effort.fresh_replications)
        each = -(-effort.fresh_replications // parts)
        return joined(
            self._ask(
                [
                    Question(setting, rate_per_s, self.workers, each, jobs, FRESH + part * each)
                    for part in range(parts)
                ]
            )
        )

    def meets(self, answer: Estimated) -> bool:
        """Return whether an answer is within the goal."""
        return answer.meets(self.goal)

    def _jobs(self, jobs: int, rate_per_s: float) -> int:
        """Return how many jobs a replication has at a rate, at least `jobs`."""
        needed = self.effort.goals * self.goal.limit_s * rate_per_s * self._group / self.workers
        return int(min(max(jobs, needed), self.effort.longer * jobs * self._group))

    @property
    def _group(self) -> int:
        return group_of(self.workers)

    def _ask(self, questions: Sequence[Question], *, keeps: bool = True) -> list[Estimated]:
        answers = list(self.ask(questions)) if questions else []
        self.simulated += sum(one.simulated for one in answers)
        self.answers += answers if keeps else []
        return answers
