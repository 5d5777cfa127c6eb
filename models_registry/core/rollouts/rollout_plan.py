"""The plan of a roll-out: its steps, waits, budget and limits, as a person writes it. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from models_registry.core.agreement.option import Agreement
from models_registry.core.registry_errors import RolloutPlanError
from models_registry.core.routing.rule_document import Cohort, Schema, Sticky
from models_registry.core.struct_fields import about, first_fault, half_pair_fault

LEAST_STEP_S = 600
DAY_S = 86_400
LEAST_BUDGET = 50
BUDGET_SHARE = 0.01  # of the alias's mean day
MOST_BUDGET = 2_000_000_000  # what its column holds
LEAST_PERCENT = 0.0001  # one in a million, the least part that a rule can give
_LONGEST_S = 366.0 * DAY_S

Percent = Annotated[float, Meta(ge=LEAST_PERCENT, le=100)]


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """How a candidate gets the traffic of an alias; every field has a default.

    No step is made by time alone: see `models_registry.core.rollouts.judge`.
    """

    steps: Annotated[
        Annotated[tuple[Percent, ...], Meta(min_length=1, max_length=20)],
        about("Shares of the candidate in per cent, each larger than the one before; the last is 100."),
    ] = (1, 5, 25, 50, 100)
    step_s: Annotated[
        Annotated[float, Meta(ge=0, le=_LONGEST_S)],
        about("Seconds that a step lasts at least; below 600 only with `quick`."),
    ] = float(LEAST_STEP_S)
    bake_s: Annotated[
        Annotated[float, Meta(ge=0, le=_LONGEST_S)],
        about("Seconds that the old version keeps `holdback` after the last step, while the judge goes on."),
    ] = float(DAY_S)
    holdback: Annotated[
        Annotated[float, Meta(ge=LEAST_PERCENT, le=50)],
        about("The old version's share in per cent while it bakes."),
    ] = 1.0
    starve_after_s: Annotated[
        Annotated[float, Meta(gt=0, le=_LONGEST_S)],
        about("Seconds at one step without enough verdicts, after which it is held as `starved`."),
    ] = float(DAY_S)
    budget: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_BUDGET)] | None,
        about(
            "Jobs that the candidate may meet until it is proven.",
            default="1 % of the alias's mean day over the last week, at least 50",
        ),
    ] = None
    baseline: Annotated[
        bool, about("Below 50 %, give an equal share of the stable version batches of its own to compare.")
    ] = True
    rescue: Annotated[
        bool, about("Let the stable version answer a job whose first attempt at the candidate failed.")
    ] = True
    sticky: Annotated[Sticky, about("What decides which version a job gets; equal values get the same.")] = (
        "input"
    )
    cohorts: Annotated[tuple[Cohort, ...], about("Jobs whose version is decided before any share.")] = ()
    schema: Annotated[
        Schema, about("`same`: both input schemas are equal; `both`: each input is checked against both.")
    ] = "same"
    duels: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)],
        about("Pairs of runs on stored inputs that prove the candidate, too; 0: none."),
    ] = 1_800
    agreement: Annotated[
        Agreement | None,
        about("The least agreement of both versions' outputs in duels.", default="none: it is reported only"),
    ] = None
    least_agreement: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        about("The share of duels that must agree.", default="no limit"),
    ] = None
    slower: Annotated[
        Annotated[float, Meta(ge=1, le=100)],
        about("Times the stable version's service time that are allowed in duels."),
    ] = 1.1
    quick: Annotated[bool, about("Allow steps below 600 s: for trials, not for production.")] = False

    @property
    def shares_ppm(self) -> tuple[int, ...]:
        """Return the shares of the steps in parts per million."""
        return tuple(round(step * 10_000) for step in self.steps)

    @property
    def holdback_ppm(self) -> int:
        """Return the old version's share while it bakes, in parts per million."""
        return round(self.holdback * 10_000)

    @classmethod
    def of(cls, document: Any) -> Plan:
        """Read a plan; RolloutPlanError names the first field that is wrong."""
        if not isinstance(document, dict):
            raise RolloutPlanError("A plan is a JSON object.")
        if fault := half_pair_fault(document, "plan"):
            raise RolloutPlanError(fault)
        try:
            plan = msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            raise RolloutPlanError(first_fault(cls, document, noun="field") or str(error)) from None
        _check(plan)
        return plan

    @property
    def document(self) -> dict[str, Any]:
        """Return the plan as JSON, with every field."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


def _check(plan: Plan) -> None:
    shares = plan.shares_ppm  # as a rule gives them: steps that are equal in a million do not grow
    if any(later <= earlier for earlier, later in pairwise(shares)):
        raise RolloutPlanError("The steps do not grow: each share must be larger than the one before.")
    if plan.steps[-1] != 100:  # noqa: PLR2004  # per cent
        raise RolloutPlanError("The last step must be 100 per cent.")
    if plan.step_s < LEAST_STEP_S and not plan.quick:
        raise RolloutPlanError(f"step_s is below {LEAST_STEP_S}: only with `quick`, which is for trials.")
