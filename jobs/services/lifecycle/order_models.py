"""Orders to running workers to load or unload a model: stored, audited, and read by the worker itself.

A message over the broker would show nobody's name, and whoever may publish one could send it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.channels import ORDERED
from jobs.db.statement import Statement, execute, fetch_all, run
from jobs.services.access.audit import note

LOAD, UNLOAD = "load", "unload"
KEPT_DAYS = 30
OUTCOME_CHARS = 2_000


class OrderRow(NamedTuple):
    """An order as its worker reads it."""

    id: int
    action: str
    ref: str


class OrderState(NamedTuple):
    """An order's worker, and what came of it; empty until the end."""

    id: int
    node: str
    outcome: str


_STORE = Statement(
    """
WITH old AS (DELETE FROM jobs_modelorder WHERE ordered_at < now() - make_interval(days => %(days)s))
INSERT INTO jobs_modelorder (worker_id, action, ref)
SELECT id, %(action)s, %(ref)s FROM jobs_worker WHERE ended_at IS NULL AND node = ANY(%(nodes)s::text[])
RETURNING id
""",
    int,
)
_NOTIFY = Statement("SELECT pg_notify(jobs_channel(%(channel)s), '')")
_STATES = Statement(
    """
SELECT o.id, w.node, o.outcome
FROM jobs_modelorder o JOIN jobs_worker w ON w.id = o.worker_id
WHERE o.id = ANY(%(ids)s::bigint[]) ORDER BY w.node
""",
    OrderState,
)
_WITHDRAW = Statement(
    "DELETE FROM jobs_modelorder WHERE id = ANY(%(ids)s::bigint[]) AND taken_at IS NULL RETURNING id", int
)
_TAKE = Statement(
    """
UPDATE jobs_modelorder SET taken_at = now() WHERE worker_id = %(worker)s AND taken_at IS NULL
RETURNING id, action, ref
""",
    OrderRow,
)
_END = Statement("UPDATE jobs_modelorder SET outcome = %(outcome)s WHERE id = %(id)s")


@transaction.atomic
def order_model(*, action: str, ref: str, nodes: Sequence[str], actor: str) -> list[int]:
    """Order the live workers among `nodes` to load or unload what `ref` names; return the orders' ids."""
    parameters = {"action": action, "ref": ref, "nodes": list(nodes), "days": KEPT_DAYS}
    ids = execute(_STORE, parameters)
    note(AuditKind.MODEL_ORDER, actor=actor, action=action, ref=ref, workers=list(nodes))
    execute(_NOTIFY, {"channel": ORDERED})
    return ids


def order_states(ids: Sequence[int]) -> list[OrderState]:
    """Return what is known of the orders, by their workers' names."""
    return fetch_all(_STATES, {"ids": list(ids)})


def withdraw_orders(ids: Sequence[int]) -> list[int]:
    """Delete those of the orders that their workers have not read; return their ids."""
    return execute(_WITHDRAW, {"ids": list(ids)})


def take_orders(session: sa.Connection, worker: UUID) -> list[OrderRow]:
    """Return the orders that the worker has not read yet, oldest first; each is read once."""
    return sorted(run(session, _TAKE, {"worker": worker}))


def end_order(session: sa.Connection, order: int, outcome: str) -> None:
    """Store what came of an order."""
    run(session, _END, {"id": order, "outcome": outcome[:OUTCOME_CHARS]})
