"""How a rule, or the fallback of an open circuit, chose a job's version, and who answered it instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from jobs.core.timeline.attempts import DEGRADED, ESCALATED, REROUTED, RESCUED
from jobs.core.timeline.route_words import Reroute, RouteWords, route_sentence
from jobs.db.statement import Statement, fetch_all
from jobs.services.reads.job_views import View
from models_registry.core.routing.decision import Arm

MOST_REROUTES = 20


class _RouteRow(NamedTuple):
    asked: str
    arm: str
    rollout: int | None
    rule_id: int | None
    rule: int | None
    model: str
    version: str
    routed: str | None
    first: str | None


class RerouteRow(NamedTuple):
    """A move of a job to another version; its name and its model's are None where its row is gone."""

    at: datetime
    what: Reroute
    version: str | None
    model: str | None


# Routes of earlier releases do not say which version was decided: their rules do.
# A fallback has no rule and is moved by none, so that the job's version is the one that it was routed to.
# The first version of an arm may be of another model than the one that answers: a circuit's fallback.
_ROUTE = Statement(
    """
SELECT t.asked, t.arm, t.rollout, t.rule AS rule_id, u.number AS rule, j.queue AS model, v.version,
  coalesce(
    (SELECT version FROM models_registry_modelversion WHERE id = t.version),
    CASE t.arm WHEN 'candidate' THEN u.document->>'candidate' ELSE u.document->>'stable' END
  ) AS routed,
  CASE t.arm WHEN 'cascade' THEN u.steps->0->>'version' WHEN 'ab' THEN (
    SELECT m.name || ':' || given.version FROM models_registry_modelversion given
    JOIN models_registry_registeredmodel m ON m.id = given.model_id WHERE given.id = t.version
  ) END AS first
FROM jobs_route t JOIN jobs_job j ON j.id = t.job_id
JOIN models_registry_modelversion v ON v.id = j.version_id
LEFT JOIN models_registry_rule u ON u.id = t.rule
WHERE t.job_id = %(id)s
""",
    _RouteRow,
)
# Sorted by time and not by id: for the id the planner could walk the primary key past the events of all
# other jobs.
_REROUTES = Statement(
    """
SELECT e.at, e.kind AS what, v.version, m.name AS model
FROM (
  SELECT id, at, kind, detail FROM jobs_event WHERE job_id = %(id)s AND kind = ANY(%(kinds)s::text[])
  ORDER BY at DESC, id DESC LIMIT %(most)s
) e LEFT JOIN models_registry_modelversion v ON v.id = CAST(e.detail->>'to' AS bigint)
LEFT JOIN models_registry_registeredmodel m ON m.id = v.model_id
ORDER BY e.at, e.id
""",
    RerouteRow,
)


@dataclass(frozen=True, slots=True)
class RouteView:
    """A job's route: `routed` is the version it got at first, `rule` the number of `rule_id`'s row."""

    asked: str
    arm: Arm
    routed: str
    rule: int | None
    rule_id: int | None
    rollout: int | None
    reroutes: Sequence[RerouteRow]
    sentence: str


def job_route(job_id: UUID) -> RouteView | None:
    """Return a job's route; None where the client named a version, or the alias had no candidate."""
    rows = fetch_all(_ROUTE, {"id": job_id})
    if not rows:
        return None
    row, kinds = rows[0], [RESCUED, REROUTED, ESCALATED, DEGRADED]
    reroutes = fetch_all(_REROUTES, {"id": job_id, "kinds": kinds, "most": MOST_REROUTES})
    first = row.first or f"{row.model}:{row.routed or row.version}"
    words = RouteWords(
        asked=row.asked,
        routed=first,
        arm=Arm(row.arm),
        rule=row.rule,
        answers=f"{row.model}:{row.version}",
        reroutes=[
            (reroute.what, f"{reroute.model or row.model}:{reroute.version or row.version}")
            for reroute in reroutes
        ],
    )
    return RouteView(
        asked=row.asked,
        arm=words.arm,
        routed=first.partition(":")[2],
        rule=row.rule,
        rule_id=row.rule_id,
        rollout=row.rollout,
        reroutes=reroutes,
        sentence=route_sentence(words),
    )


def route_view(route: RouteView | None) -> View | None:
    """Return a route as the API shows it."""
    if route is None:
        return None
    return {
        "asked": route.asked,
        "arm": route.arm,
        "version": route.routed,
        "rule": route.rule,
        "rollout": route.rollout,
        "reroutes": [reroute._asdict() for reroute in route.reroutes],
        "sentence": route.sentence,
    }
