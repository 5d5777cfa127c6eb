"""Followers of a job in a cascade: its answer is theirs, whichever step gave it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from jobs.db.statement import Statement, run
from models_registry.core.routing.decision import Arm

# They share a key by the digest of their rule, so that versions say nothing.
_OF_CASCADES = Statement(
    """
SELECT route.job_id FROM jobs_route route JOIN jobs_route theirs ON theirs.job_id = %(leader)s
WHERE route.job_id = ANY(%(jobs)s::uuid[]) AND route.arm = %(arm)s AND theirs.arm = %(arm)s
""",
    UUID,
)


def without_its_cascade(connection: sa.Connection, leader: UUID, followers: Sequence[UUID]) -> list[UUID]:
    """Return those of a leader's followers that are not, as it is, jobs of a cascade."""
    parameters = {"jobs": list(followers), "leader": leader, "arm": Arm.CASCADE}
    alike = set(run(connection, _OF_CASCADES, parameters))
    return [job for job in followers if job not in alike]
