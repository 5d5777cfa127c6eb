"""The options of `manage.py simulate_rollout`, and the roll-out that they describe."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass, fields
from typing import Any, Self

from models_registry.core.registry_errors import RolloutPlanError
from models_registry.core.rollouts.rollout_plan import DAY_S
from models_registry.core.rollouts.simulation.scenario import RolloutScenario, check_scenario

_LEAST_JOBS_A_LOOK = 20.0  # empty looks decide nothing: at low volume a simulated look is longer
_LOOK_S = 2.0
_MOST_RUNS = 100_000


@dataclass(frozen=True, slots=True)
class RolloutArguments:
    """The values of all options; rates are parts of 1."""

    daily: float = 100_000.0
    errors: float = 0.01
    worse: float = 0.0
    slower: float = 1.0
    aa: bool = False
    runs: int = 100
    drift: float | None = None
    lag: bool = False
    sticky: int = 0
    bad_client: bool = False
    duels: int = 0
    budget: int | None = None
    days: float = 7.0
    seed: int = 1
    json: bool = False
    picture: str | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Self:
        """Take the values from parsed options."""
        return cls(**{field.name: options[field.name] for field in fields(cls)})

    def scenario(self) -> RolloutScenario:
        """Return what to simulate; RolloutPlanError names the option that makes no sense."""
        if self.aa and (self.worse or self.slower != 1.0):
            raise RolloutPlanError("--aa compares a version with itself: leave out --worse and --slower.")
        if self.picture and not self.picture.endswith((".png", ".svg")):
            raise RolloutPlanError(f"picture is {self.picture}; its name must end in .png or .svg.")
        if not 1 <= self.runs <= _MOST_RUNS:
            raise RolloutPlanError(f"runs is {self.runs}; it must be from 1 to {_MOST_RUNS:,}.")
        scenario = RolloutScenario(
            self.daily,
            errors=self.errors,
            worse=self.worse,
            slower=self.slower,
            drift=self.drift,
            lag=self.lag,
            clients=self.sticky,
            bad_client=self.bad_client,
            duels_per_look=self.duels,
            budget=self.budget,
            look_s=_look_s(self.daily),
            horizon_s=self.days * DAY_S,
        )
        check_scenario(scenario)
        return scenario


def _look_s(daily: float) -> float:
    return max(_LOOK_S, min(3_600.0, _LEAST_JOBS_A_LOOK * DAY_S / daily)) if daily > 0.0 else _LOOK_S


def add_rollout_arguments(parser: ArgumentParser) -> None:
    """Declare every option, with the default of its field above."""
    parser.add_argument("--daily", type=float, metavar="N", help="Jobs of the alias a day.")
    parser.add_argument("--errors", type=float, metavar="P", help="Error rate of the stable version: 0.01.")
    parser.add_argument("--worse", type=float, metavar="D", help="Added to the candidate's error rate: 0.01.")
    parser.add_argument("--slower", type=float, metavar="F", help="Times the stable version's latency: 1.2.")
    parser.add_argument("--aa", action="store_true", help="Both versions are the same: counts false alarms.")
    parser.add_argument("--runs", type=int, metavar="R", help="Roll-outs to simulate.")
    parser.add_argument("--drift", type=float, metavar="P2", help="Error rate of both from minute 20 on.")
    parser.add_argument(
        "--lag", action="store_true", help="Verdicts of the stable version come late at times."
    )
    parser.add_argument(
        "--sticky", type=int, metavar="CLIENTS", help="Keep each of so many clients at a version."
    )
    parser.add_argument(
        "--bad-client", action="store_true", help="A client repeats one bad input: 5 %% of jobs."
    )
    parser.add_argument("--duels", type=int, metavar="N", help="Duels a look, until there are enough.")
    parser.add_argument("--budget", type=int, metavar="N", help="Jobs that an unproven candidate may meet.")
    parser.add_argument(
        "--days", type=float, metavar="DAYS", help="Virtual days, after which it is undecided."
    )
    parser.add_argument("--seed", type=int, help="Seed of all random numbers; equal seeds give equal runs.")
    parser.add_argument("--json", action="store_true", help="Print the report as JSON.")
    parser.add_argument("--picture", metavar="FILE", help="Draw the first roll-out: a .png or .svg file.")
    parser.set_defaults(**{field.name: field.default for field in fields(RolloutArguments)})
