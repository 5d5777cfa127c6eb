"""Circuits for requests and for operators: which version answers, and opening, trying and closing by hand."""

from __future__ import annotations

import math
from typing import Any

from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.circuits.breaker import CircuitState
from jobs.core.circuits.gate import CircuitStatus
from jobs.core.circuits.tally import EVERY_CLIENT
from jobs.core.errors import CircuitOpenError, ModelNotFoundError, WrongStateError
from jobs.db.statement import Statement, execute
from jobs.services.access.audit import note
from jobs.services.circuits.reads import circuit_of, forget_circuits
from models_registry.selectors import VersionInfo, resolve

MOST_FALLBACKS = 3
OPENED = "An operator opened it."  # who did is for operators alone: refused clients see the reason
UNTIL_CLOSED_S = 60  # the Retry-After of a circuit that only a person closes
_OPEN = Statement(
    """
INSERT INTO jobs_circuit (version_id, client, state, reason, since, retry_at, openings, probes, succeeded)
VALUES (%(version)s, %(client)s, 'open', %(reason)s, now(), NULL, 0, 5, 0)
ON CONFLICT (version_id, client)
DO UPDATE SET state = 'open', reason = %(reason)s, since = now(), retry_at = NULL
RETURNING version_id
""",
    int,
)
_PROBE = Statement(
    """
UPDATE jobs_circuit
SET state = 'half_open', reason = %(reason)s, since = now(), retry_at = now(), succeeded = 0
WHERE version_id = %(version)s AND client = %(client)s AND state = 'open' RETURNING version_id
""",
    int,
)
_CLOSE = Statement(
    """
UPDATE jobs_circuit SET state = 'closed', reason = %(reason)s, since = now(), retry_at = NULL, openings = 0
WHERE version_id = %(version)s AND client = %(client)s AND state <> 'closed' RETURNING version_id
""",
    int,
)


def answering(version: VersionInfo, *, client: int = EVERY_CLIENT) -> VersionInfo:
    """Return the version that answers a client's request for `version` now; CircuitOpenError where none."""
    requested = version
    for _ in range(MOST_FALLBACKS):
        circuit = circuit_of(version.id, client)
        if circuit is None or not circuit.holds:
            return version
        fallback = _fallback(version)
        if fallback is None:
            raise _refusal(requested, circuit)
        version = fallback
    raise CircuitOpenError(f"{requested} and its fallbacks fail too often.", retry_after_s=UNTIL_CLOSED_S)


def open_by_hand(
    *,
    version: VersionInfo,
    client: int = EVERY_CLIENT,
    actor: str,
    reason: str = OPENED,
) -> None:
    """Hold a version's jobs, or one client's, back until a person closes its circuit."""
    _change(_OPEN, version, client, CircuitState.OPEN, actor, reason)


def probe_now(*, version: VersionInfo, client: int = EVERY_CLIENT, actor: str) -> None:
    """Try a version whose circuit is open; WrongStateError where it is not."""
    _change(_PROBE, version, client, CircuitState.HALF_OPEN, actor, "An operator asked for a try.")


def close_by_hand(*, version: VersionInfo, client: int = EVERY_CLIENT, actor: str) -> None:
    """Let held jobs run again, within seconds; WrongStateError where the circuit is closed."""
    _change(_CLOSE, version, client, CircuitState.CLOSED, actor, "An operator closed it.")


def _change(  # what is changed, by whom and why
    statement: Statement[int], version: VersionInfo, client: int, state: CircuitState, actor: str, reason: str
) -> None:
    values: dict[str, Any] = {"version": version.id, "client": client, "reason": reason}
    with transaction.atomic():
        if not execute(statement, values):
            raise WrongStateError("The circuit is in a state that this does not apply to.")
        note(AuditKind.CIRCUIT, actor=actor, state=state.value, **values)
    forget_circuits()


def _fallback(version: VersionInfo) -> VersionInfo | None:
    """Return the version that answers instead, unless it protects an input less than `version` does."""
    reference = version.platform_options.fallback
    try:
        fallback = resolve(reference) if reference else None
    except ModelNotFoundError:
        return None
    return fallback if fallback is not None and fallback.secrecy.covers(version.secrecy) else None


def _refusal(version: VersionInfo, circuit: CircuitStatus) -> CircuitOpenError:
    wait_s = UNTIL_CLOSED_S if circuit.left_s is None else max(1, math.ceil(circuit.left_s))
    if circuit.client == EVERY_CLIENT:
        sentence, whose = f"{version} fails too often and takes no jobs now: {circuit.reason}", "version"
    else:
        sentence = (
            f"Your own jobs at {version} fail too often, so it takes none of yours now; other clients are not"
            f" held: {circuit.reason}"
        )
        whose = "client"
    return CircuitOpenError(sentence, retry_after_s=wait_s, circuit=whose)
