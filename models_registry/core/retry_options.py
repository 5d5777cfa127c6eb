"""How a version's failed jobs are tried again: what its option `retry` says.

    {"attempts": 4, "cap_s": 60, "kinds": {"resource": {"base_s": 5}, "internal": {"attempts": 1}}}

| name | default | meaning |
|---|---|---|
| `attempts` | no limit of its own | which attempt is the last, where the job's own cap allows as many |
| `base_s` | 0.5 | after the n-th failed attempt a delay of `random(0, min(cap_s, base_s * 2^(n-1)))` |
| `cap_s` | 60 | same |
| `kinds` | none | the three above for one kind of failure: transient, resource, timeout or internal |
| `share` | 0.2 | retries among all publishes of the version, at most, beyond the floor |
| `floor_per_s` | 10 | so many retries a second are published whatever the share |

The others are not for a version to say: an `invalid` or `poison` job is never tried again, and what a dead or
hung worker had in hand is taken up at once by the sweeper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models_registry.core.faults import Fault
from models_registry.core.registry_errors import RegistrationError

RETRIED = (Fault.TRANSIENT, Fault.RESOURCE, Fault.TIMEOUT, Fault.INTERNAL)
_RULE = ("attempts", "base_s", "cap_s")
_LONGEST_S = 366 * 86_400.0
_SHARE, _FLOOR_PER_S = 0.2, 10.0


@dataclass(frozen=True, slots=True)
class RetryRule:
    """When failures of one kind are tried again; `attempts` is None where only the job's own cap holds."""

    attempts: int | None = None
    base_s: float = 0.5
    cap_s: float = 60.0

    @classmethod
    def of(cls, said: Mapping[str, Any], default: RetryRule, where: str) -> RetryRule:
        """Read what is said of a kind, the rest as in `default`; RegistrationError."""
        base_s = _number(said.get("base_s", default.base_s), f"{where}.base_s", 0, _LONGEST_S)
        cap_s = _number(said.get("cap_s", default.cap_s), f"{where}.cap_s", 0, _LONGEST_S)
        return cls(_attempts(said.get("attempts", default.attempts), where), base_s, cap_s)


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """One rule for all failures, others for some kinds of them, and how many retries a version may have."""

    rule: RetryRule = RetryRule()
    kinds: Mapping[str, RetryRule] = field(default_factory=dict)
    share: float = _SHARE
    floor_per_s: float = _FLOOR_PER_S

    def rule_for(self, kind: str) -> RetryRule:
        """Return the rule for a kind of failure."""
        return self.kinds.get(kind, self.rule)

    @classmethod
    def of(cls, said: object) -> RetryOptions:
        """Read the option `retry`; RegistrationError says what in it is wrong."""
        options = _object(said, "retry", {*_RULE, "kinds", "share", "floor_per_s"})
        rule = RetryRule.of(options, RetryRule(), "retry")
        kinds = _object(options.get("kinds", {}), "retry.kinds", {kind.value for kind in RETRIED})
        rules = {kind: _rule(kinds[kind], rule, f"retry.kinds.{kind}") for kind in kinds}
        share = _number(options.get("share", _SHARE), "retry.share", 0, 0.99)
        # Without a floor the retries of a version that gets no new jobs would wait for ever.
        floor = _number(options.get("floor_per_s", _FLOOR_PER_S), "retry.floor_per_s", 0.01, 1e6)
        return cls(rule, rules, share, floor)


def _rule(said: object, default: RetryRule, where: str) -> RetryRule:
    return RetryRule.of(_object(said, where, set(_RULE)), default, where)


def _object(said: object, where: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise _wrong(where, said, "an object")
    if unknown := sorted(str(name) for name in said if name not in known):
        raise RegistrationError(
            f"The option {where} has {', '.join(unknown)}; it takes {', '.join(sorted(known))}."
        )
    return said


def _attempts(said: object, where: str) -> int | None:
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int) or said < 1:
        raise _wrong(f"{where}.attempts", said, "a number of attempts, 1 or more")
    return said


def _number(said: object, where: str, least: float, most: float) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not least <= said <= most:
        raise _wrong(where, said, f"a number from {least:g} to {most:g}")
    return float(said)


def _wrong(where: str, said: object, wanted: str) -> RegistrationError:
    return RegistrationError(f"The option {where} is {said!r}; it is {wanted}.")
