"""A line of a job's page: which rule chose its version, and which version answered instead."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.links import registry_link
from jobs.admin.rollouts.cascade_cells import steps_cell
from jobs.models import Job
from jobs.services.reads.job_routes import job_route
from models_registry.core.routing.decision import Arm


def routed(job: Job) -> SafeString | str:
    """Return the route in a sentence, with links to its rule and roll-out."""
    route = job_route(job.pk)
    if route is None:
        return "no rule with a candidate decided: the client or the alias named the version"
    links = [
        registry_link(kind, key, text)
        for kind, key, text in (
            ("rule", route.rule_id, f"rule {route.rule}"),
            ("rollout", route.rollout, f"roll-out {route.rollout}"),
        )
        if key is not None
    ]
    line = format_html("{} {}", route.sentence, format_html(" · ".join("{}" for _ in links), *links))
    return format_html("{}{}", line, steps_cell(job.pk)) if route.arm is Arm.CASCADE else line
