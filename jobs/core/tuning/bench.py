"""The bench of a search: it asks the simulator, counts what that cost, and keeps every answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.tuning.evaluation import Answer, Ask, Question
from jobs.core.tuning.setting_space import TunedSetting
from jobs.core.tuning.workload import FRESH, Workload


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated: for the first look, for a rate, and to check the result with fresh numbers.

    `step` is by how much a rate has to be higher to count as higher.
    """

    candidates: int = 64
    screen_jobs: int = 400
    replications: int = 8
    jobs: int = 1_500
    fresh_replications: int = 16
    fresh_jobs: int = 3_000
    step: float = 0.02


@dataclass(slots=True)
class Bench:
    """Asks for settings of one workload, goal and number of workers; `simulated` counts jobs."""

    workload: Workload
    goal: LoadGoal
    workers: int
    effort: Effort
    ask: Ask
    simulated: int = 0
    answers: list[Answer] = field(default_factory=list)

    def screen(
        self, settings: Sequence[TunedSetting], rate_per_s: float, *, jobs: int, replications: int = 1
    ) -> list[Answer]:
        """Look at many settings shortly; those that cannot reach the rate at all are not simulated."""
        able = [one for one in settings if self.workload.most_per_s(one, self.workers) > rate_per_s]
        return self._ask([Question(one, rate_per_s, self.workers, replications, jobs) for one in able])

    def measure(self, settings: Sequence[TunedSetting], rates_per_s: Sequence[float]) -> list[Answer]:
        """Answer for each setting at each rate, with the bound that counts."""
        effort = self.effort
        return self._ask(
            [
                Question(one, rate, self.workers, effort.replications, effort.jobs)
                for one in settings
                for rate in rates_per_s
            ]
        )

    def check(self, setting: TunedSetting, rate_per_s: float) -> Answer:
        """Answer with random numbers that no search has seen, and more of them."""
        effort = self.effort
        question = Question(
            setting, rate_per_s, self.workers, effort.fresh_replications, effort.fresh_jobs, FRESH
        )
        return self._ask([question])[0]

    def meets(self, answer: Answer) -> bool:
        """Return whether an answer is within the goal."""
        return answer.meets(self.goal)

    def _ask(self, questions: Sequence[Question]) -> list[Answer]:
        answers = list(self.ask(questions)) if questions else []
        self.simulated += sum(one.simulated for one in answers)
        self.answers += answers
        return answers
