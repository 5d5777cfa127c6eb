"""The document of a rule, which decides what answers for an alias: as a person writes it. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from models_registry.core.registry_errors import RuleError
from models_registry.core.routing.cascade import CascadeDocument
from models_registry.core.struct_fields import about, first_fault, half_pair_fault

PPM = 1_000_000

Share = Annotated[float, Meta(ge=0, le=1)]
Sticky = Annotated[
    str,
    Meta(
        pattern=r"^(input|client|job|metadata:(/[^/\x00]*)+)\Z",
        max_length=200,
        extra={"allowed": "`input`, `client`, `job` or `metadata:/json/pointer`"},
    ),
]
Schema = Literal["same", "both"]
VersionName = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}\Z", extra={"allowed": "the name of a version of this model"}),
]


_LATER = ("arms", "cascade", "shadow")  # the release before knows no rule that names one of these
_NESTED = ("$.cohorts[", "$.cascade", "$.shadow.")  # faults inside these are named by their path

FlagName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}\Z",
        extra={"allowed": "lower-case letters, digits, dots, dashes and underscores, at most 63"},
    ),
]


class Cohort(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Jobs that a JSON Schema describes or for which a flag is on, and the arm that they get.

    One of `when` and `flag` is given; a job has to match both where both are.
    """

    when: Annotated[
        dict[str, Any] | None,
        about(
            "A JSON Schema over an object of `client`, `priority`, `metadata` and `parameters`.",
            allowed="a JSON Schema as an object",
            default="all jobs for which the flag is on",
        ),
    ] = None
    flag: Annotated[
        FlagName | None, about("A flag, which has to be on for the job.", default="none: `when` decides")
    ] = None
    arm: Annotated[Literal["candidate", "stable"], about("The arm that such jobs get.")]


class ArmShare(Struct, frozen=True, forbid_unknown_fields=True):
    """One version of an A/B test, and its share of the jobs."""

    version: Annotated[VersionName, about("A version of this model.")]
    share: Annotated[Share, about("Its share, from 0 to 1; those of all arms add up to 1 at most.")]


class ShadowShare(Struct, frozen=True, forbid_unknown_fields=True):
    """A version that runs copies of live jobs and answers none of them."""

    version: Annotated[VersionName, about("A version of this model.")]
    share: Annotated[Share, about("The share of the jobs that are copied, from 0 to 1.")] = 1.0
    batch_s: Annotated[
        Annotated[float, Meta(gt=0, le=10, extra={"allowed": "seconds above 0, at most 10"})],
        about("Both versions run a batch of copies within so many seconds, as predicted."),
    ] = 0.05
    time_share: Annotated[
        Annotated[float, Meta(gt=0, le=1, extra={"allowed": "above 0, at most 1"})],
        about("The part of a worker's time in which copies may run: so many jobs at most meet one."),
    ] = 0.002

    @property
    def share_ppm(self) -> int:
        """Return the share of the jobs that are copied in parts per million."""
        return round(self.share * PPM)


class RuleDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """What answers for an alias: the stable version, and a candidate, arms or a cascade beside it.

    A rule has one of these three at most; any may have a shadow. Without all four the alias works as if it
    had no rule.
    """

    stable: Annotated[VersionName, about("The version that the alias stands for.")]
    candidate: Annotated[VersionName | None, about("The version that gets a share.", default="none")] = None
    share: Annotated[Share, about("The candidate's share, from 0 to 1.")] = 0.0
    baseline: Annotated[
        bool, about("Give an equal share of the stable version batches of its own; only below 0.5.")
    ] = False
    sticky: Annotated[
        Sticky,
        about(
            "What decides: `input`, `client`, `job` or `metadata:/json/pointer`; a pointer that is not there"
            " counts as `input`."
        ),
    ] = "input"
    cohorts: Annotated[
        Annotated[tuple[Cohort, ...], Meta(max_length=20)],
        about("Decided before the shares; the first that matches."),
    ] = ()
    arms: Annotated[
        Annotated[tuple[ArmShare, ...], Meta(max_length=10)],
        about("The versions of an A/B test; the stable one answers what no arm has, and may be an arm."),
    ] = ()
    cascade: Annotated[
        CascadeDocument | None,
        about("A light version answers first, and a heavy one where that is not sure.", default="none"),
    ] = None
    shadow: Annotated[
        ShadowShare | None, about("A version that runs copies of jobs, and answers none.", default="none")
    ] = None
    schema: Annotated[
        Schema, about("`same`: both input schemas are equal; `both`: each input is checked against both.")
    ] = "same"
    salt: Annotated[
        Annotated[str, Meta(max_length=64, pattern=r"^[^\x00]*\Z")],
        about("What the shares are drawn by; a roll-out keeps its own.", default="made"),
    ] = ""

    @property
    def share_ppm(self) -> int:
        """Return the candidate's share in parts per million."""
        return round(self.share * PPM)

    @property
    def chooses(self) -> bool:
        """Return whether a job of the alias may get another version than the stable one."""
        return bool(self.candidate or self.arms or self.cascade)

    @property
    def is_plain(self) -> bool:
        """Return whether the alias works as if it had no rule."""
        return not (self.chooses or self.shadow)

    @classmethod
    def of(cls, document: Any) -> RuleDocument:
        """Read a rule; RuleError names the first field that is wrong."""
        if not isinstance(document, dict):
            raise RuleError("A rule is a JSON object.")
        if fault := half_pair_fault(document, "rule"):
            raise RuleError(fault)
        try:
            return msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            is_nested = any(part in str(error) for part in _NESTED)
            fault = "" if is_nested else first_fault(cls, document, noun="field")
            raise RuleError(fault or f"The rule is wrong: {error}.") from None

    @property
    def document(self) -> dict[str, Any]:
        """Return the rule as JSON, with every field but for arms, cascade and shadow that it has not."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in document.items() if value or name not in _LATER}
