"""The claim's transactions: in one round trip, again after trouble, or through a roll-out's claim gate."""

from __future__ import annotations

import sqlalchemy as sa

from jobs.db.statement import Session
from jobs.services.lifecycle import claim as store
from jobs.services.lifecycle.rerouting.claim_gate import GatedClaim, claim_through_gate
from jobs.worker.message_delivery import MessageDelivery


def claim(connection: Session, row: store.BatchRow, deliveries: list[MessageDelivery]) -> list[store.Claimed]:
    """Claim the jobs of deliveries under the batch `row`."""
    if not deliveries:
        return []
    return store.claim(
        connection,
        batch=row,
        envelopes=[delivery.envelope for delivery in deliveries],
        buffered_s=_buffered_s(row, deliveries),
    )


def claim_again(
    connection: sa.Connection, row: store.BatchRow, deliveries: list[MessageDelivery]
) -> list[store.Claimed]:
    """Claim, but first look whether an earlier claim was stored and only its answer was lost."""
    jobs = [delivery.job for delivery in deliveries]
    recovered = store.recover(connection, batch=row.id, jobs=jobs)
    if recovered:
        return recovered
    withheld = store.withheld(connection, jobs=jobs)
    return claim(connection, row, [delivery for delivery in deliveries if delivery.job not in withheld])


def claim_gated(
    connection: sa.Connection,
    row: store.BatchRow,
    deliveries: list[MessageDelivery],
    rollouts: list[int],
    *,
    again: bool,
) -> GatedClaim:
    """Claim what `rollouts` allow; `again` looks first whether an earlier claim was stored."""
    if again and (recovered := store.recover(connection, batch=row.id, jobs=[d.job for d in deliveries])):
        return GatedClaim(recovered)
    return claim_through_gate(
        connection,
        batch=row,
        envelopes=[delivery.envelope for delivery in deliveries],
        buffered_s=_buffered_s(row, deliveries),
        rollouts=rollouts,
    )


def _buffered_s(row: store.BatchRow, deliveries: list[MessageDelivery]) -> list[float]:
    sealed_at = row.sealed_at or 0.0
    return [sealed_at - delivery.parcel.received_at for delivery in deliveries]
