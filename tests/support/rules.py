"""An alias with a rule, and the routes of its jobs."""

from __future__ import annotations

from typing import Any

from jobs.models import Route
from jobs.services.submission.submitted import Submitted
from models_registry import selectors
from models_registry.models import ModelVersion, Rule
from models_registry.services.rules import put_rule
from tests.support.factories import make_version


def two_versions(model: str = "echo", **fields: Any) -> tuple[ModelVersion, ModelVersion]:
    """Return versions `1`, which the alias `default` stands for, and `2`."""
    selectors.forget()
    return make_version(model, "1", **fields), make_version(model, "2", **fields)


def rule(model: str = "echo", *, alias: str = "default", **fields: Any) -> Rule:
    """Put a rule in force: half of the jobs get version 2, unless `fields` differ."""
    document = {"stable": "1", "candidate": "2", "share": 0.5, "salt": "s"} | fields
    return put_rule(model=model, alias=alias, document=document, actor="olga")


def route_of(job: Submitted) -> Route | None:
    """Return the stored route of a job."""
    return Route.objects.filter(pk=job.id).first()
