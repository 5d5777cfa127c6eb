"""How a job came to its version: what is stored as its Route. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from models_registry.core.routing.decision import Arm, CompiledRule, Decision

MOST_SHOWN = 200
# In the order of the columns that statements insert.
ROUTE_COLUMNS = ("rollout", "rule", "arm", "sticky", "counted", "asked")
_NONE: dict[str, Any] = {**dict.fromkeys(ROUTE_COLUMNS), "counted": False}


class JobRoute(Struct, frozen=True):
    """The decision for one job; `asked` is the model as its client wrote it.

    `sticky` is the key as a signed number of eight bytes, as Postgres has them. A circuit's fallback has no
    rule, and has a key where a rule had decided before.
    """

    arm: Arm
    asked: str
    rollout: int | None = None
    rule: int | None = None
    sticky: int | None = None
    counted: bool = False

    @property
    def columns(self) -> dict[str, Any]:
        """Return the parameters of the statements that store a Route."""
        return {
            "rollout": self.rollout,
            "rule": self.rule,
            "arm": self.arm.value,
            "sticky": self.sticky,
            "counted": self.counted,
            "asked": self.asked[:MOST_SHOWN],
        }


def routed_by(rule: CompiledRule, decision: Decision, *, key: bytes, asked: str) -> JobRoute:
    """Return how a rule routed a job."""
    return JobRoute(decision.arm, asked, rule.rollout, rule.id, stored_key(key), decision.counted)


def route_columns(route: JobRoute | None) -> dict[str, Any]:
    """Return the parameters of a job's Route; its arm is None where it has none."""
    return _NONE if route is None else route.columns


def stored_key(key: bytes) -> int:
    """Return a key of eight bytes as the signed number that a column holds."""
    return int.from_bytes(key, signed=True)


def key_of(stored: int) -> bytes:
    """Return the key that `stored_key` made a number of."""
    return stored.to_bytes(8, signed=True)
