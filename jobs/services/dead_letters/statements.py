"""Letters of dead jobs, published until confirmed; no lock outlives a statement.

A letter is due from the moment its row is there, whichever way the job died. Taking it pushes `due` a
visibility time ahead, so that one without a confirm is published again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from jobs.core.messages.dead_letter_pointer import DeadLetterMessage
from jobs.core.relay.publish_policy import VISIBILITY_CAP_S, VISIBILITY_S

_TAKE = sa.text("""
WITH chosen AS (
  SELECT job_id FROM jobs_deadletter WHERE queue = :queue AND due <= now()
  ORDER BY due LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE jobs_deadletter AS letter
SET published = letter.published + 1, due = now() + make_interval(secs => LEAST(
    CAST(:cap_s AS double precision), :base_s * power(2, LEAST(letter.published, 16))))
FROM chosen WHERE letter.job_id = chosen.job_id
RETURNING letter.job_id, letter.epoch, letter.kind, letter.code, letter.fingerprint
""")

_OF_THESE = """
WITH these AS (
  SELECT letter.job_id
  FROM unnest(CAST(:jobs AS uuid[]), CAST(:epochs AS int[])) AS given(job_id, epoch)
  JOIN jobs_deadletter AS letter USING (job_id, epoch)
  WHERE letter.due IS NOT NULL FOR UPDATE OF letter SKIP LOCKED
)
"""
_CONFIRM = sa.text(f"""{_OF_THESE}
UPDATE jobs_deadletter AS letter SET due = NULL, published_at = now()
FROM these WHERE letter.job_id = these.job_id
""")  # noqa: S608  # built from a constant of this file
_POSTPONE = sa.text(f"""{_OF_THESE}
UPDATE jobs_deadletter AS letter SET due = now() + make_interval(secs => :delay_s)
FROM these WHERE letter.job_id = these.job_id
""")  # noqa: S608

_RECALL = sa.text("""
WITH lost AS (
  SELECT job_id FROM jobs_deadletter
  WHERE queue = :queue AND due IS NULL AND discarded_at IS NULL LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE jobs_deadletter AS letter SET due = now(), published_at = NULL
FROM lost WHERE letter.job_id = lost.job_id
""")


def take_due(connection: sa.Connection, queue: str, *, most: int) -> list[DeadLetterMessage]:
    """Take letters that are due; each is due again when its visibility time is over."""
    values = {"queue": queue, "most": most, "base_s": VISIBILITY_S, "cap_s": VISIBILITY_CAP_S}
    return [DeadLetterMessage(*row) for row in connection.execute(_TAKE, values)]


def confirm(connection: sa.Connection, letters: Collection[DeadLetterMessage]) -> None:
    """Note that the broker has these letters; those replayed or discarded meanwhile are passed over."""
    connection.execute(_CONFIRM, _keys(letters))


def postpone(connection: sa.Connection, letters: Collection[DeadLetterMessage], *, delay_s: float) -> None:
    """Make letters that the broker surely has not due in `delay_s` seconds."""
    connection.execute(_POSTPONE, {**_keys(letters), "delay_s": delay_s})


def recall(connection: sa.Connection, queue: str, *, most: int) -> int:
    """Make up to `most` confirmed letters due now, because the broker lost them; return how many."""
    return connection.execute(_RECALL, {"queue": queue, "most": most}).rowcount


def _keys(letters: Collection[DeadLetterMessage]) -> dict[str, Any]:
    return {"jobs": [letter.job for letter in letters], "epochs": [letter.epoch for letter in letters]}
