"""The seconds on devices that the jobs of an A/B test took, by the ledger of batches.

No index knows the version or the jobs of a batch. So this reads the batches of all models in the time of the
test, which may be many millions: it is given up after some seconds, and the time is not known then.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from jobs.core.errors import UnavailableError
from jobs.db import database_clock
from jobs.db.statement import Statement, execute, once_more
from jobs.db.troubles import Trouble, trouble_of
from jobs.services.ab_tests.exposed_jobs import EXPOSED

TIMEOUT_MS = 5_000


class ArmAmount(NamedTuple):
    """A sum over the jobs of an arm; `version` is a row id."""

    version: int
    amount: float


# A job's part of a batch is that of each other job in it, whatever came of it: a retry costs as much.
DEVICE = Statement(
    f"""
WITH {EXPOSED}
SELECT exposed.version, sum(batch.ran_s / cardinality(batch.members)) AS amount
FROM jobs_batch batch CROSS JOIN LATERAL unnest(batch.members) AS member (job_id)
JOIN exposed USING (job_id)
WHERE batch.id >= %(first)s AND batch.id <= %(until)s AND batch.version_id = ANY(%(versions)s::bigint[])
  AND batch.ran_s IS NOT NULL GROUP BY exposed.version
""",  # noqa: S608  # built from our own constants
    ArmAmount,
)
_SOON = Statement("SELECT set_config('statement_timeout', %(timeout)s, true)", str)


def device_time(values: Mapping[str, Any], *, since: datetime) -> list[ArmAmount] | None:
    """Return the seconds of each arm's jobs, retries too; None where that takes more than five seconds.

    None as well where the test began, `since`, before the time of which batches are kept (`LEDGER_DAYS`).
    """
    kept = timedelta(days=settings.INFERENCE.ledger_days)
    if since < database_clock.read_now() - kept:
        return None
    try:
        return once_more(lambda: _read(values))
    except UnavailableError as error:
        if error.__cause__ is not None and trouble_of(error.__cause__) is Trouble.TIMEOUT:
            return None
        raise


def _read(values: Mapping[str, Any]) -> list[ArmAmount]:
    with transaction.atomic():
        execute(_SOON, {"timeout": str(TIMEOUT_MS)})
        rows = execute(DEVICE, values)
        transaction.set_rollback(True)  # it wrote nothing, and a transaction around it keeps its own timeout
    return rows
