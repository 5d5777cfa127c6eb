"""When a version's circuit opens and what happens then: what its options `breaker` and `fallback` say.

    {"breaker": {"least": 100, "share": 0.5}, "fallback": "minilm@stable"}

| name | default | meaning |
|---|---|---|
| `enabled` | true | whether the circuit opens by itself |
| `window_s` | 30 | verdicts are counted over so many seconds |
| `least` | 50 | from fewer verdicts in the window nothing follows |
| `share` | 0.8 | it opens when more of the verdicts are failures, the model's and not the client's |
| `dead` | 50 | or when so many jobs ended dead in the window, of whatever kind, and none succeeded |
| `cool_s` | 10 | how long it stays open before jobs are let through to try; doubles each time they fail |
| `cap_s` | 300 | and is never longer than this |
| `probes` | 5 | so many jobs are let through, and so many successes close it |

While it is open, new jobs go to `fallback` (`name`, `name:version` or `name@alias`); without one they are
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from models_registry.core.registry_errors import RegistrationError

_LONGEST_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    """A version's breaker; the module says what each name means."""

    enabled: bool = True
    window_s: float = 30.0
    least: int = 50
    share: float = 0.8
    dead: int = 50
    cool_s: float = 10.0
    cap_s: float = 300.0
    probes: int = 5

    @classmethod
    def of(cls, said: Any) -> BreakerOptions:
        """Read the option `breaker`; RegistrationError says what is wrong with it."""
        if not isinstance(said, Mapping):
            raise RegistrationError(f"The option breaker is {said!r}; it is an object.")
        known = {field.name: field.default for field in fields(cls)}
        if strange := sorted(set(said) - set(known)):
            raise RegistrationError(f"The option breaker does not know {', '.join(strange)}.")
        for name, value in said.items():
            _check(name, value, known[name])
        return cls(**said)


def fallback_of(said: Any) -> str | None:
    """Read the option `fallback`; RegistrationError unless it is a reference to a model."""
    if said is not None and (not isinstance(said, str) or not said.strip()):
        raise RegistrationError(
            f"The option fallback is {said!r}; it is a model, `name:version` or `name@alias`."
        )
    return said


def _check(name: str, value: Any, default: Any) -> None:
    if isinstance(default, bool):
        fits, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        fits, wanted = _is_number(value, int) and value >= 1, "a whole number above zero"
    else:
        fits, wanted = _is_number(value, (int, float)) and 0 < value <= _LONGEST_S, "a number above zero"
    if name == "share":
        fits, wanted = fits and value <= 1, "a share, above 0 and at most 1"
    if not fits:
        raise RegistrationError(f"The option breaker.{name} is {value!r}; it is {wanted}.")


def _is_number(value: Any, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
