"""How a job came to its version: what is stored as its Route. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from models_registry.core.routing.decision import Arm, CompiledRule, Decision

MOST_SHOWN = 200


class CascadeSharing(Struct, frozen=True, gc=False):
    """How jobs of a cascade share runs: under the rule's digest, and only as all its steps allow.

    `models` are the row ids of the steps' models, whose caches hold parts of the answers.
    """

    digest: bytes
    cache_ttl_s: float
    collapses: bool
    models: tuple[int, ...]

    @property
    def shares_runs(self) -> bool:
        """Return whether one run may answer several requests."""
        return self.collapses or self.cache_ttl_s > 0


class RouteKind(Struct, frozen=True, gc=False):
    """What the Routes of many jobs have in common; `asked` is the model as their client wrote it.

    `version` is the row id of the version that the rule decided; a circuit's fallback has none.
    `sharing` is not stored: it is of the rule whose cascade answers, which shares no result with another one.
    """

    arm: Arm
    asked: str
    rollout: int | None = None
    rule: int | None = None
    version: int | None = None
    counted: bool = False
    sharing: CascadeSharing | None = None


class JobRoute(Struct, frozen=True, gc=False):
    """The decision for one job.

    `sticky` is the key as a signed number of eight bytes, as Postgres has them. A circuit's fallback has no
    rule, and has a key where a rule had decided before.
    """

    kind: RouteKind
    sticky: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """Return the parameters of the statement that stores one job with its Route."""
        kind = self.kind
        return {
            "rollout": kind.rollout,
            "rule": kind.rule,
            "decided": kind.version,
            "arm": kind.arm.value,
            "sticky": self.sticky,
            "counted": kind.counted,
            "asked": kind.asked[:MOST_SHOWN],
        }


def kind_of(rule: CompiledRule, decision: Decision, asked: str) -> RouteKind:
    """Return what the routes of a rule that come to such a decision have in common."""
    sharing = _sharing(rule) if decision.arm is Arm.CASCADE else None
    version = decision.version.id
    return RouteKind(decision.arm, asked, rule.rollout, rule.id, version, decision.counted, sharing)


def _sharing(rule: CompiledRule) -> CascadeSharing:
    options = [step.platform_options for step in rule.steps]
    return CascadeSharing(
        rule.digest,
        min(one.cache_ttl_s for one in options),
        all(one.collapses for one in options),
        tuple(sorted({step.model_id for step in rule.steps})),
    )


def route_arrays(routes: Sequence[JobRoute | None]) -> dict[str, list[Any]]:
    """Return the parameters of the statements that store several jobs, with the routes that they have.

    `route` has a job's place, from 1, in the arrays of kinds, or None where it has no Route: to write one
    number for six values of each job is what a rule costs least.
    """
    places = dict[RouteKind, int]()
    place = places.setdefault
    route = [None if one is None else place(one.kind, len(places) + 1) for one in routes]
    return {
        "route": route,
        "sticky": [None if one is None else one.sticky for one in routes],
        "rollouts": [kind.rollout for kind in places],
        "rules": [kind.rule for kind in places],
        "decided": [kind.version for kind in places],
        "arms": [kind.arm.value for kind in places],
        "counts": [kind.counted for kind in places],
        "asked": [kind.asked[:MOST_SHOWN] for kind in places],
    }


def stored_key(key: bytes) -> int:
    """Return a key of eight bytes as the signed number that a column holds."""
    return int.from_bytes(key, signed=True)


def key_of(stored: int) -> bytes:
    """Return the key that `stored_key` made a number of."""
    return stored.to_bytes(8, signed=True)
