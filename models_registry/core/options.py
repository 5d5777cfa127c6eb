"""The options of a version that the platform reads; the version's loader reads the others.

Each option is declared here once, with its bounds, default and description. `PlatformOptions.of` reads the
JSON when a version is registered and when a VersionInfo is made; all other code reads attributes.

    {"check_output": true, "cache_ttl_s": 60, "retry": {"attempts": 4, "kinds": {"resource": {"base_s": 5}}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from models_registry.core.agreement.option import Agreement
from models_registry.core.monitor.monitor_option import Monitor
from models_registry.core.patterns import plain_ends
from models_registry.core.registry_errors import RegistrationError
from models_registry.core.struct_fields import FieldRow, about, field_rows, first_fault

LONGEST_DAYS = 366
MOST_WAITING = 1_000_000
_LONGEST_S = LONGEST_DAYS * 86_400.0
_LONGEST_BREAKER_S = 7 * 86_400.0

Attempts = Annotated[int, Meta(ge=1)]
RetrySeconds = Annotated[float, Meta(ge=0, le=_LONGEST_S)]
BreakerSeconds = Annotated[float, Meta(gt=0, le=_LONGEST_BREAKER_S)]
Count = Annotated[int, Meta(ge=1)]
MOST_INDEXED = 8
IndexedField = Annotated[str, Meta(min_length=1, max_length=63)]
_LONGEST_RUN_S = 86_400.0  # an infinite number would be no JSON
LaneSeconds = Annotated[float, Meta(gt=0, le=_LONGEST_RUN_S)]

_OF_KIND = "`attempts`, `base_s` and `cap_s` for this kind of failure; default: those for all kinds."


class RetryRule(Struct, frozen=True, forbid_unknown_fields=True):
    """When failed jobs are tried again; attempts is None if only the job's own limit holds."""

    attempts: Annotated[
        Attempts | None,
        about("The last attempt, within the limit that each job has of its own.", default="the job's limit"),
    ] = None
    base_s: Annotated[
        RetrySeconds,
        about(
            "Seconds. After the n-th failed attempt the delay is drawn at random from 0 to"
            " min(cap_s, base_s * 2^(n-1))."
        ),
    ] = 0.5
    cap_s: Annotated[RetrySeconds, about("Seconds. The longest delay before a retry.")] = 60.0


class KindRule(Struct, frozen=True, forbid_unknown_fields=True):
    """The rule for one kind of failure; an unset field takes the value for all kinds."""

    attempts: Attempts | UnsetType | None = UNSET
    base_s: RetrySeconds | UnsetType = UNSET
    cap_s: RetrySeconds | UnsetType = UNSET


class KindRules(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules for the kinds of failure that can be retried.

    Other kinds are not for a version to decide: an `invalid` or `poison` job is never tried again, and the
    sweeper takes back at once the jobs of a worker that died or hung.
    """

    transient: Annotated[KindRule, about(_OF_KIND)] = KindRule()
    resource: Annotated[KindRule, about(_OF_KIND)] = KindRule()
    timeout: Annotated[KindRule, about(_OF_KIND)] = KindRule()
    internal: Annotated[KindRule, about(_OF_KIND)] = KindRule()


class RetryOptions(RetryRule, frozen=True, forbid_unknown_fields=True):
    """A rule for all kinds of failure, rules for single kinds, and the version's budget of retries."""

    kinds: Annotated[KindRules, about("Rules for single kinds of failure.")] = KindRules()
    share: Annotated[
        float,
        Meta(ge=0, le=0.99),
        about("The largest share of retries among all publishes of the version, beyond the floor."),
    ] = 0.2
    # Without a floor the retries of a version that gets no new jobs would wait for ever.
    floor_per_s: Annotated[
        float,
        Meta(ge=0.01, le=1e6),
        about("Retries a second that are published whatever the share."),
    ] = 10.0

    def rule_for(self, kind: str) -> RetryRule:
        """Return the rule for a kind of failure."""
        own: KindRule = getattr(self.kinds, kind, KindRule())
        return RetryRule(
            self.attempts if own.attempts is UNSET else own.attempts,
            self.base_s if own.base_s is UNSET else own.base_s,
            self.cap_s if own.cap_s is UNSET else own.cap_s,
        )


class BreakerOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """When a version's circuit opens, how long it stays open, and what closes it.

    While it is open, new jobs go to the version's `fallback`; without one they are refused.
    """

    enabled: Annotated[bool, about("Whether the circuit opens by itself.")] = True
    window_s: Annotated[BreakerSeconds, about("Seconds over which verdicts are counted.")] = 30.0
    least: Annotated[Count, about("With fewer verdicts in the window, `share` is not applied.")] = 50
    share: Annotated[
        float,
        Meta(gt=0, le=1),
        about("A circuit opens when a larger share of the verdicts, and of the clients, are failing."),
    ] = 0.8
    dead: Annotated[
        Count,
        about("It also opens when so many jobs died in the window and none succeeded."),
    ] = 50
    cool_s: Annotated[
        BreakerSeconds,
        about("Seconds that it stays open before jobs try the version; doubles when they fail."),
    ] = 10.0
    cap_s: Annotated[BreakerSeconds, about("Seconds. The longest time that it stays open.")] = 300.0
    probes: Annotated[
        Count, about("Jobs that try the version, and the successes that close the circuit.")
    ] = 5


class ProfileLimits(Struct, frozen=True):
    """The limits of a batch that a profile may hold beside options of the loader."""

    max_batch: Count = 1
    max_padded_size: Annotated[int, Meta(ge=0)] = 0


LIMITS = ProfileLimits.__struct_fields__
_A_PROFILE = "options of the loader, `max_batch` and `max_padded_size`"


class Profiles(Struct, frozen=True, forbid_unknown_fields=True):
    """What a version has otherwise on one kind of device."""

    cuda: Annotated[dict[str, Any], about("On a GPU.", allowed=_A_PROFILE, default="none")] = {}
    cpu: Annotated[dict[str, Any], about("On a CPU.", allowed=_A_PROFILE, default="none")] = {}

    def of(self, device: str) -> dict[str, Any]:
        """Return the profile of a device such as `cpu` or `cuda:0`; empty if it has none."""
        profile: dict[str, Any] = getattr(self, device.partition(":")[0], {})
        return profile


class PlatformOptions(Struct, frozen=True):
    """What the platform does with a version's jobs, beside running them.

    An output with NaN or infinity is never stored, because JSON cannot carry it: that job alone fails.
    """

    check_output: Annotated[
        bool,
        about("Check each output against the output schema; a job whose output breaks it fails alone."),
    ] = False
    refuse_nan: Annotated[
        bool,
        about("A job whose output holds NaN or infinity dies at once; if false, it is tried again."),
    ] = True
    memory_bytes: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        about(
            "Bytes that the loaded model occupies, where measuring them is not enough.", default="measured"
        ),
    ] = None
    batch_limit_s: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        about(
            "Seconds that a batch may take before its worker is ended and started again.",
            default="BATCH_LIMIT_S",
        ),
    ] = None
    load_limit_s: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        about(
            "Seconds that loading the version may take before its worker is ended and started again.",
            default="LOAD_LIMIT_S",
        ),
    ] = None
    retry: Annotated[RetryOptions, about("When and how often failed jobs are tried again.")] = RetryOptions()
    breaker: Annotated[
        BreakerOptions, about("When the version's jobs are held back and new ones refused.")
    ] = BreakerOptions()
    fallback: Annotated[
        Annotated[str, Meta(pattern=r"\S")] | None,
        about(
            "The model that answers new jobs while the version's circuit is open.",
            allowed="a model, `name`, `name:version` or `name@alias`, or null",
            default="none",
        ),
    ] = None
    encrypt: Annotated[
        bool,
        about("Encrypt inputs, parameters, metadata and results at rest, under PAYLOAD_KEYS."),
    ] = False
    shed: Annotated[
        bool,
        about("Refuse jobs that would be answered after `p95_goal_s`, instead of letting them wait."),
    ] = False
    max_waiting: Annotated[
        Count, about("Jobs that may wait for the model; beyond, the lowest priority is refused.")
    ] = MOST_WAITING
    cache_ttl_s: Annotated[
        float,
        Meta(ge=0, le=_LONGEST_S),
        about("Seconds that a result answers identical requests of the same client; 0: no cache."),
    ] = 0.0
    collapse: Annotated[
        bool | UnsetType,
        about(
            "Identical requests in flight run once, and each gets its own result.",
            default="true with a cache",
        ),
    ] = UNSET
    metadata_index: Annotated[
        Annotated[tuple[IndexedField, ...], Meta(max_length=MOST_INDEXED)],
        about(
            "Top-level fields of a job's metadata by which operators find jobs; each job then costs a"
            " statement more. Not used where `encrypt` is set.",
            allowed=f"a list of at most {MOST_INDEXED} names of fields",
            default="none",
        ),
    ] = ()
    retention_days: Annotated[
        Annotated[int, Meta(ge=1, le=LONGEST_DAYS)] | None,
        about("Days that inputs and results are kept.", default="RETENTION_DAYS"),
    ] = None
    lane: Annotated[
        Literal["fast", "slow", "auto"],
        about(
            "The lane of its jobs. Slow batches never hold all lanes of a worker. `auto`: slow while a full"
            " batch runs for more than 1 s and ten times as long as one of the fastest version."
        ),
    ] = "fast"
    slow_slice_s: Annotated[
        LaneSeconds, about("Seconds that a slow batch is to take on a worker with one lane.")
    ] = 0.5
    slow_above_s: Annotated[
        LaneSeconds | None,
        about(
            "Seconds. An input that is predicted to run for longer goes to the slow lane, whatever `lane`"
            " says.",
            default="none",
        ),
    ] = None

    agreement: Annotated[
        Agreement, about("When its outputs and those of another version agree, in trials of a version.")
    ] = Agreement()
    monitor: Annotated[Monitor, about("What is watched for drift.")] = Monitor()
    profiles: Annotated[Profiles, about("Options of the loader and limits of a batch by kind of device.")] = (
        Profiles()
    )

    @property
    def may_be_slow(self) -> bool:
        """Return whether any of its jobs may go to the slow lane."""
        return self.lane != "fast" or self.slow_above_s is not None

    @property
    def collapses(self) -> bool:
        """Return whether identical requests in flight run once."""
        return self.cache_ttl_s > 0 if self.collapse is UNSET else self.collapse

    @property
    def shares_runs(self) -> bool:
        """Return whether one run may answer several requests; if not, no job touches the cache's tables."""
        return self.collapses or self.cache_ttl_s > 0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> PlatformOptions:
        """Read the platform's options out of a version's; RegistrationError names the first that is wrong."""
        own = {name: options[name] for name in cls.__struct_fields__ if name in options}
        try:
            return msgspec.convert(own, cls)
        except msgspec.ValidationError:
            raise RegistrationError(first_fault(cls, own)) from None


def options_schema() -> dict[str, Any]:
    """Return the JSON Schema of the platform's options; other properties are the loader's."""
    schema: dict[str, Any] = plain_ends(msgspec.json.schema(PlatformOptions))
    return schema


def option_rows() -> list[FieldRow]:
    """Return (name, type, default, description) of each option of the platform, for documentation."""
    return field_rows(PlatformOptions)
