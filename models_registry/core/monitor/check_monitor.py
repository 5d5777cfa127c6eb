"""Whether a version may be watched as its `monitor` says: places that exist, and nothing secret. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models_registry.core.agreement.pointers import may_hold, steps_of
from models_registry.core.monitor.monitor_option import Monitor
from models_registry.core.pii import marked
from models_registry.core.registry_errors import RegistrationError
from models_registry.core.subject import subject_marks

MOST_POSITION = 1_000  # in a list; a higher one is no place that a schema has


def check_monitor(
    monitor: Monitor, input_schema: Mapping[str, Any], output_schema: Mapping[str, Any], *, encrypt: bool
) -> None:
    """Raise RegistrationError where a pointer names nothing, or what it names must not be kept in clear."""
    if (monitor.webhook_url is None) != (monitor.webhook_client is None):
        raise RegistrationError(
            "`monitor` names `webhook_url` and `webhook_client` together: the client's secret signs the"
            " webhook."
        )
    if not monitor.on and (monitor.webhook_url or monitor.purge_cache):
        raise RegistrationError("`monitor` watches nothing: set `enabled`, or name a part that is watched.")
    if encrypt and (monitor.inputs or monitor.outputs):
        raise RegistrationError(
            "Sketches of values are not encrypted, so a version with `encrypt` can only watch the size of its"
            " inputs: leave `inputs`, `confidence`, `label` and `vector` out of `monitor`."
        )
    for pointer in monitor.inputs:
        _check(pointer, "input", input_schema)
    for pointer in monitor.outputs:
        _check(pointer, "output", output_schema)


def _check(pointer: str, side: str, schema: Mapping[str, Any]) -> None:
    if not may_hold(schema, pointer):
        raise RegistrationError(f"The {side} schema has nothing at {pointer!r}, which `monitor` names.")
    if is_secret(schema, pointer):
        raise RegistrationError(
            f"The {side} schema marks what is at {pointer!r} as personal data or as a subject, so `monitor`"
            " may not keep it: leave it out, or watch another part."
        )


def is_secret(schema: Mapping[str, Any], pointer: str) -> bool:
    """Return whether a schema marks, or may mark, the part at a pointer, what holds it, or what it holds."""
    subjects = subject_marks(schema)
    return any(
        marked(schema, value) or (bool(subjects) and marked(subjects, value)) for value in _values_at(pointer)
    )


def _values_at(pointer: str) -> Iterator[Any]:
    """Yield values that have something at the pointer; a step of digits is a name or a position."""
    leaves: tuple[Any, ...] = ("", [0.0], {})
    for leaf in leaves:
        for positions in (False, True):
            value: Any = leaf
            for step in reversed(steps_of(pointer)):
                at = (
                    int(step)
                    if positions and step.isdecimal() and len(step) < len(f"{MOST_POSITION}")
                    else None
                )
                value = {step: value} if at is None else [*([None] * at), value]
            yield value
