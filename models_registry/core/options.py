"""The options of a version that the platform itself reads; the loader reads the others.

| option | default | meaning |
|---|---|---|
| `check_output` | false | hold each output against the output schema; what breaks it fails alone |
| `refuse_nan` | false | NaN or infinity in an output ends its job at once; without this it is tried again |
| `batch_limit_s` | BATCH_LIMIT_S | how long a batch may take before the worker is ended and started anew |
| `memory_bytes` | measured | what the loaded model occupies, where measuring it is not enough |
| `retry` | see retry_options | when and how often failed jobs are tried again, by kind of failure |
| `breaker` | see breaker_options | when the version's jobs are held back and new ones refused |
| `fallback` | none | the model that answers new jobs meanwhile |
| `encrypt` | see secrecy_options | whether inputs and results are encrypted at rest |
| `shed` | false | refuse jobs that would be answered after `p95_goal_s`, instead of letting them wait |
| `max_waiting` | 1,000,000 | so many jobs may wait for the model; of the lowest priority no more are taken |
| `cache_ttl_s`, `collapse` | see reuse_options | whether identical requests share one run |
| `retention_days` | RETENTION_DAYS | for so many days, 1 to 366, inputs and results are kept |

An output with NaN or infinity is never stored, as JSON cannot carry it: its own job alone fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models_registry.core.breaker_options import BreakerOptions, fallback_of
from models_registry.core.registry_errors import RegistrationError
from models_registry.core.retention_options import retention_days
from models_registry.core.retry_options import RetryOptions
from models_registry.core.reuse_options import ReuseOptions
from models_registry.core.secrecy_options import SecrecyOptions

MOST_WAITING = 1_000_000


@dataclass(frozen=True, slots=True)
class PlatformOptions:
    """How outputs are judged, the memory that a version needs, how long a batch may take, what is retried."""

    check_output: bool = False
    refuse_nan: bool = False
    memory_bytes: int | None = None
    batch_limit_s: float | None = None
    retry: RetryOptions = field(default_factory=RetryOptions)
    breaker: BreakerOptions = field(default_factory=BreakerOptions)
    fallback: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> PlatformOptions:
        """Read a version's options; RegistrationError where one of these is of the wrong type."""
        for name in ("check_output", "refuse_nan", "shed"):
            if not isinstance(options.get(name, False), bool):
                raise RegistrationError(f"The option {name} is {options[name]!r}; it is true or false.")
        memory = options.get("memory_bytes")
        if memory is not None and (isinstance(memory, bool) or not isinstance(memory, int) or memory < 0):
            raise RegistrationError(f"The option memory_bytes is {memory!r}; it is a number of bytes.")
        limit = options.get("batch_limit_s")
        if limit is not None and (
            isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0
        ):
            raise RegistrationError(f"The option batch_limit_s is {limit!r}; it is seconds, above zero.")
        waiting = options.get("max_waiting", MOST_WAITING)
        if isinstance(waiting, bool) or not isinstance(waiting, int) or waiting < 1:
            raise RegistrationError(
                f"The option max_waiting is {waiting!r}; it is a number of jobs, above 0."
            )
        ReuseOptions.of(options)
        SecrecyOptions.of(options)
        retention_days(options)
        return cls(
            check_output=options.get("check_output", False),
            refuse_nan=options.get("refuse_nan", False),
            memory_bytes=memory,
            batch_limit_s=limit,
            retry=RetryOptions.of(options.get("retry", {})),
            breaker=BreakerOptions.of(options.get("breaker", {})),
            fallback=fallback_of(options.get("fallback")),
        )


def most_waiting(options: Mapping[str, Any]) -> int:
    """Return how many jobs may wait for the model; each submit asks, so that nothing else is read."""
    return int(options.get("max_waiting", MOST_WAITING))


def sheds(options: Mapping[str, Any]) -> bool:
    """Say whether jobs are refused that would miss the version's goal."""
    return bool(options.get("shed", False))
