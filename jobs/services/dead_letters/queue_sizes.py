"""How many messages the dead-letter queues hold: the relay counts and writes, web processes read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from jobs.db.leases import HELD, fence_of
from jobs.db.statement import Statement, fetch_all, run


@dataclass(frozen=True, slots=True)
class QueueSize:
    """Messages in a model's dead-letter queue, None where the broker has none, as counted `age_s` ago."""

    model: str
    messages: int | None
    age_s: float


_KEEP: Statement[None] = Statement(f"""
INSERT INTO jobs_deadletterqueuesize (model, messages, counted_at)
SELECT model, messages, now()
FROM unnest(%(models)s::text[], %(messages)s::bigint[]) AS counted(model, messages) WHERE {HELD}
ON CONFLICT (model) DO UPDATE SET messages = EXCLUDED.messages, counted_at = EXCLUDED.counted_at
""")  # noqa: S608  # built from a constant
_SIZES = Statement(
    """
SELECT model, messages, GREATEST(0, extract(epoch FROM now() - counted_at))::double precision AS age_s
FROM jobs_deadletterqueuesize
""",
    QueueSize,
)


def keep(session: sa.Connection, messages: Mapping[str, int | None]) -> None:
    """Store how many messages the models' dead-letter queues hold now; None where there is no queue."""
    values = {"models": list(messages), "messages": list(messages.values())}
    run(session, _KEEP, {**values, **fence_of(session)})


def sizes() -> dict[str, QueueSize]:
    """Return the last count of each model whose dead-letter queue was ever counted."""
    return {size.model: size for size in fetch_all(_SIZES)}
