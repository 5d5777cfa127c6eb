"""The keeper of shadows: begins and ends them, drops copies, and stops the shadow of a worker that died."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs.core.ids import first_id_at
from jobs.db import database_clock, leases
from jobs.db.listen_loop import ListenLoop
from jobs.db.statement import Statement, run
from jobs.services.shadow.shadow_acts import note_stop
from jobs.services.shadow.shadow_rows import MOST_OPEN, OLDEST_S
from models_registry.core.routing.decision import CompiledRule
from models_registry.rule_reads import shadow_rules

log = logging.getLogger(__name__)
EVERY_S = 2.0
DROPPED_AT_ONCE = 5_000
ACTOR = "platform"
DIED = (
    "The worker {node} ended with a copy in hand, which may be what ended it. Look at its log, then start the"
    " shadow again."
)
# The one statement of a look where no rule has a shadow and none had one.
_ANY = Statement(
    """
SELECT EXISTS (SELECT FROM jobs_shadow WHERE state <> 'ended') OR EXISTS (SELECT FROM jobs_shadowcopy)
  OR EXISTS (SELECT FROM jobs_shadowhand)
  OR EXISTS (SELECT FROM models_registry_alias a JOIN models_registry_rule r ON r.id = a.rule_id
    WHERE r.document -> 'shadow' <> 'null'::jsonb)
""",
    bool,
)
_BEGIN: Statement[None] = Statement("""
INSERT INTO jobs_shadow AS shadow
  (rule, model, alias, number, stable_id, version_id, share, batch_s, time_share, state, counts)
VALUES (%(rule)s, %(model)s, %(alias)s, %(number)s, %(stable)s, %(version)s, %(share)s, %(batch_s)s,
  %(time_share)s, 'running', '{}')
ON CONFLICT (rule) DO UPDATE SET state = 'running', takes = true, changed_at = now(), looked_at = now()
WHERE shadow.state = 'ended'
""")
_END: Statement[None] = Statement("""
UPDATE jobs_shadow SET state = 'ended', takes = false, changed_at = now()
WHERE state <> 'ended' AND NOT rule = ANY(%(rules)s::bigint[])
""")


class _LostHand(NamedTuple):
    worker: UUID
    rule: int
    node: str


# Of a worker that ended, or whose row is gone.
_LOST = Statement(
    """
SELECT hand.worker, hand.rule, COALESCE(w.node, 'of an earlier time') AS node
FROM jobs_shadowhand hand LEFT JOIN jobs_worker w ON w.id = hand.worker
WHERE w.id IS NULL OR w.ended_at IS NOT NULL
""",
    _LostHand,
)
_LOSE: Statement[None] = Statement(
    """
WITH gone AS (DELETE FROM jobs_shadowhand WHERE worker = %(worker)s AND rule = %(rule)s RETURNING size)
UPDATE jobs_shadow SET lost = lost + gone.size FROM gone WHERE jobs_shadow.rule = %(rule)s
"""
)


_DROP = Statement(
    """
WITH gone AS (
  DELETE FROM jobs_shadowcopy WHERE job_id IN (
    SELECT copy.job_id FROM jobs_shadowcopy copy LEFT JOIN jobs_shadow shadow ON shadow.rule = copy.rule
    WHERE copy.job_id < %(oldest)s OR shadow.state <> 'running'
    LIMIT %(most)s FOR UPDATE OF copy SKIP LOCKED
  ) RETURNING rule, job_id
), counted AS (
  SELECT rule, count(*) FILTER (WHERE job_id < %(oldest)s)::int AS old,
    count(*) FILTER (WHERE job_id >= %(oldest)s)::int AS unwanted FROM gone GROUP BY rule
)
UPDATE jobs_shadow SET old = jobs_shadow.old + counted.old, unwanted = jobs_shadow.unwanted + counted.unwanted
FROM counted WHERE jobs_shadow.rule = counted.rule
RETURNING (counted.old + counted.unwanted) AS dropped
""",
    int,
)


_STANDING: Statement[None] = Statement(
    """
WITH waiting AS (SELECT rule, count(*)::int AS open FROM jobs_shadowcopy GROUP BY rule), counted AS (
  SELECT shadow.rule, COALESCE(waiting.open, 0) AS open FROM jobs_shadow shadow LEFT JOIN waiting USING (rule)
  WHERE shadow.state <> 'ended' OR shadow.open > 0
)
UPDATE jobs_shadow SET open = counted.open, takes = (state = 'running' AND counted.open < %(most_open)s),
  looked_at = now()
FROM counted WHERE jobs_shadow.rule = counted.rule AND (
  (jobs_shadow.open, takes)
    IS DISTINCT FROM (counted.open, state = 'running' AND counted.open < %(most_open)s)
  OR looked_at < now() - interval '10 seconds')
"""
)


class ShadowKeeper(ListenLoop):
    """Looks every two seconds until stopped; one process at a time does."""

    office = leases.SHADOW_KEEPER

    @property
    def pause_s(self) -> float:
        """Return the seconds between two looks."""
        return EVERY_S

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which it goes on with a new session."""
        return (*super().interruptions(), DjangoDatabaseError)

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Look once."""
        if not run(session, _ANY)[0]:
            return
        try:
            rules = shadow_rules()
        finally:
            connection.close()  # the registry's reads; Django closes no connection of a thread of ours
        with leases.fenced(session):
            for alias, rule in rules:
                run(session, _BEGIN, _columns(alias, rule))
            run(session, _END, {"rules": [rule.id for _, rule in rules]})
        self._stop_shadows_of_the_dead(session)
        self._drop(session)
        run(session, _STANDING, {"most_open": MOST_OPEN})

    def _stop_shadows_of_the_dead(self, session: sa.Connection) -> None:
        for hand in run(session, _LOST):
            with leases.fenced(session):
                reason = DIED.format(node=hand.node)
                stopped = note_stop(session, hand.rule, actor=ACTOR, reason=reason)
                run(session, _LOSE, {"worker": hand.worker, "rule": hand.rule})
            if stopped:
                log.warning("rule %d: its shadow is stopped: %s", hand.rule, reason)

    def _drop(self, session: sa.Connection) -> None:
        oldest = first_id_at(int((database_clock.measure(session) - OLDEST_S) * 1_000))
        dropped = DROPPED_AT_ONCE
        while dropped == DROPPED_AT_ONCE and not self._stop.is_set():
            leases.keep(session)
            with leases.fenced(session):
                dropped = sum(run(session, _DROP, {"oldest": oldest, "most": DROPPED_AT_ONCE}))


def _columns(alias: str, rule: CompiledRule) -> Mapping[str, Any]:
    asked, version = rule.document.shadow, rule.shadow
    assert asked is not None  # noqa: S101  # these rules have a shadow
    assert version is not None  # noqa: S101
    return {
        "rule": rule.id,
        "model": rule.stable.model,
        "alias": alias,
        "number": rule.number,
        "stable": rule.stable.id,
        "version": version.id,
        "share": asked.share,
        "batch_s": asked.batch_s,
        "time_share": asked.time_share,
    }
