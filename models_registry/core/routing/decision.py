"""The decision of a rule for one job: which version answers it, in which arm, and why. Pure.

    0 ······ share ············································ 10⁶ - share ······ 10⁶
    candidate       stable, counted up to 21 shares, then not        baseline

A share that grows keeps whom it had. The baseline is the stable version under batches of its own; it exists
while the rule asks for it and the share is below a half. The arms of an A/B test take their shares one after
the other, from 0 on; what is left gets the stable version and is no part of the test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from itertools import accumulate
from typing import Any, Protocol

from msgspec import Struct

from models_registry.core.patterns import validator
from models_registry.core.routing.cascade_plan import PlannedStep
from models_registry.core.routing.rule_document import PPM, Cohort, RuleDocument
from models_registry.core.version import VersionInfo

SAMPLE = 20  # so many times the candidate's share of the stable version's jobs are evidence
BY_SHARE = "share"
BY_CASCADE = "first step"
COPIED = "/shadow"  # after the salt: the jobs that are copied are others than those of the candidate


class Arm(StrEnum):
    """The group that a job was routed to; the value is stored in Postgres and shown by the API."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"
    STABLE = "stable"
    FALLBACK = "fallback"
    AB = "ab"  # an arm of an A/B test; its version says which
    CASCADE = "cascade"


# A look at a member of an enum costs more than one at a name.
_CANDIDATE, _BASELINE, _STABLE = Arm.CANDIDATE, Arm.BASELINE, Arm.STABLE
_AB, _CASCADE = Arm.AB, Arm.CASCADE


class Ask(Struct, frozen=True, gc=False):
    """What a rule decides by: eight bytes of a keyed digest of the sticky value, and what cohorts look at.

    Absent metadata and parameters are empty objects.
    """

    key: bytes
    client: str
    priority: int
    metadata: Any
    parameters: Any

    @property
    def described(self) -> dict[str, Any]:
        """Return the object that the JSON Schemas of cohorts and flags look at."""
        return {
            "client": self.client,
            "priority": self.priority,
            "metadata": self.metadata,
            "parameters": self.parameters,
        }


class FlagInForce(Protocol):
    """A flag that cohorts name."""

    def is_on(self, ask: Ask, /) -> bool:
        """Return whether it is on for a job."""


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """The rule in force for an alias, with the versions that it names and the checks of its cohorts.

    `arms` has the versions of the document's arms, in order, and `steps` those of its cascade, whose `plan`
    says how a job goes through them. `digest` is of document and plan, once it is in force. `flags` are those
    that its cohorts name; one that is not there is off. `matches` has a function for each cohort, in order;
    it, `bounds`, of the candidate, the counted and the baseline, and `arm_ends` are made from the document
    once, because each job needs them.
    """

    id: int
    number: int
    rollout: int | None
    document: RuleDocument
    stable: VersionInfo
    candidate: VersionInfo | None
    arms: tuple[VersionInfo, ...] = ()
    shadow: VersionInfo | None = None
    steps: tuple[VersionInfo, ...] = ()
    plan: tuple[PlannedStep, ...] = ()
    digest: bytes = b""
    flags: Mapping[str, FlagInForce] = field(default_factory=dict, hash=False)
    matches: tuple[Callable[[Any, Ask], bool], ...] = field(init=False, compare=False, repr=False)
    bounds: tuple[int, int, int] = field(init=False, compare=False, repr=False)
    arm_ends: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        matches = tuple(_matcher(cohort, self.flags) for cohort in self.document.cohorts)
        object.__setattr__(self, "matches", matches)  # the class is frozen
        object.__setattr__(self, "bounds", _bounds(self.document))
        object.__setattr__(self, "arm_ends", _arm_ends(self.document))

    @property
    def versions(self) -> tuple[VersionInfo, ...]:
        """Return the versions that a job may get, each once, the stable one first."""
        named = (self.stable, *((self.candidate,) if self.candidate else ()), *self.arms, *self.steps)
        return tuple({version.id: version for version in named}.values())

    @property
    def resident(self) -> tuple[VersionInfo, ...]:
        """Return the versions that each worker of their models is to have loaded."""
        return self.versions if self.shadow is None else (*self.versions, self.shadow)


class Decision(Struct, frozen=True, gc=False):
    """The version that answers a job, its arm and why; `counted` means that it is evidence.

    `why` is `share`, `first step` of a cascade, or `cohort 1` and so on.
    """

    version: VersionInfo
    arm: Arm
    why: str
    counted: bool
    bucket: int


def bucket_of(salt: str, key: bytes) -> int:
    """Return the place of a key among a million, by the first eight bytes of SHA-256(salt ‖ key)."""
    return int.from_bytes(sha256(salt.encode() + key).digest()[:8]) % PPM


def decide(rule: CompiledRule, ask: Ask) -> Decision:
    """Return what a rule decides for a job; the same for the same key, salt and share."""
    bucket = bucket_of(rule.document.salt, ask.key)
    if rule.matches and (number := _cohort(rule, ask)) is not None:
        arm = Arm(rule.document.cohorts[number].arm)
        version = rule.candidate if rule.candidate and arm is _CANDIDATE else rule.stable
        # Jobs that a person picked differ from the others, so comparing them would say nothing.
        return Decision(version, arm, f"cohort {number + 1}", counted=False, bucket=bucket)
    if rule.candidate is not None:
        return _by_share(rule, rule.candidate, bucket)
    if rule.steps:
        return Decision(rule.steps[0], _CASCADE, BY_CASCADE, counted=False, bucket=bucket)
    for version, end in zip(rule.arms, rule.arm_ends, strict=True):
        if bucket < end:
            return Decision(version, _AB, BY_SHARE, counted=False, bucket=bucket)
    return Decision(rule.stable, _STABLE, BY_SHARE, counted=False, bucket=bucket)


def is_copied(rule: CompiledRule, key: bytes) -> bool:
    """Return whether the shadow gets a copy of a job with this key; a share that grows keeps its keys."""
    if rule.shadow is None or rule.document.shadow is None:
        return False
    share = rule.document.shadow.share_ppm
    return share == PPM or bucket_of(rule.document.salt + COPIED, key) < share


def _by_share(rule: CompiledRule, candidate: VersionInfo, bucket: int) -> Decision:
    share, counted, baseline = rule.bounds
    if bucket < share:
        return Decision(candidate, _CANDIDATE, BY_SHARE, counted=True, bucket=bucket)
    if bucket >= baseline:
        return Decision(rule.stable, _BASELINE, BY_SHARE, counted=True, bucket=bucket)
    return Decision(rule.stable, _STABLE, BY_SHARE, counted=bucket < counted, bucket=bucket)


def _bounds(document: RuleDocument) -> tuple[int, int, int]:
    """Return where the candidate's buckets end, where the counted ones do, and where the baseline begins."""
    share = document.share_ppm
    has_baseline = document.baseline and share < PPM // 2
    return share, share + SAMPLE * share, PPM - share if has_baseline else PPM


def _arm_ends(document: RuleDocument) -> tuple[int, ...]:
    return tuple(min(round(end * PPM), PPM) for end in accumulate(arm.share for arm in document.arms))


def _cohort(rule: CompiledRule, ask: Ask) -> int | None:
    seen = ask.described
    return next((number for number, matches in enumerate(rule.matches) if matches(seen, ask)), None)


def _matcher(cohort: Cohort, flags: Mapping[str, FlagInForce]) -> Callable[[Any, Ask], bool]:
    """Return whether a job, as it is described, is of a cohort."""
    fits = None if cohort.when is None else validator(cohort.when).is_valid
    if cohort.flag is None:
        return lambda seen, _: fits is None or fits(seen)
    flag = flags.get(cohort.flag)
    if flag is None:  # a rule in force keeps its flags from being removed
        return lambda _, __: False
    return lambda seen, ask: flag.is_on(ask) and (fits is None or fits(seen))
