"""The calls of the OpenAPI document, from which tests of every call are generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jobs.api.endpoints import api
from jobs.core.access.scopes import Scope
from tests.support.flags import OWNED

PREFIX = "/api/v1/"
GOOD = {"model": "echo", "input": {"text": "hello"}}
BODIES: dict[str, Any] = {
    "/api/v1/jobs": GOOD,
    "/api/v1/jobs/bulk": [GOOD],
    "/api/v1/jobs/stream": GOOD,
    "/api/v1/erasures": {"subject": "s"},
    "/api/v1/jobs/{job_id}/feedback": {"name": "liked", "value": 1},
    "/api/v1/feedback": {"feedback": [{"job": str(UUID(int=1)), "name": "liked", "value": 1}]},
    "/api/v1/models/{name}/backtests": {"version": "1"},
    **{f"/api/v1/bulk-acts/{verb}": {"dry_run": True} for verb in ("cancel", "replay", "discard")},
    "/api/v1/models/{name}/rules": {"document": {"stable": "1"}},
    "/api/v1/models/{name}/rules/preview": {"document": {"stable": "1"}, "last": 1},
    "/api/v1/models/{name}/rollouts": {"candidate": "1"},
    "/api/v1/flags/{flag}": {"document": OWNED},
    "/api/v1/flags/{flag}/preview": {"document": OWNED, "last": 1},
    "/api/v1/rollouts/{rollout_id}/budget": {"budget": 100},
}
# What stands in a path but a job's id.
PARTS = {
    "{act_id}": "1", "{backtest_id}": "1", "{rollout_id}": "1", "{name}": "echo", "{version}": "1",
    "{number}": "1", "{flag}": "beta",
}  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One call of the document; `scope` is the one that its token needs, None where any token will do."""

    method: str
    path: str
    scope: Scope | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names_a_job(self) -> bool:
        return "{job_id}" in self.path

    def on(self, job_id: object) -> str:
        path = self.path.replace("{job_id}", str(job_id))
        for part, value in PARTS.items():
            path = path.replace(part, value)
        return path

    @property
    def body(self) -> Any:
        return BODIES.get(self.path)


def documented() -> list[Call]:
    paths = api.get_openapi_schema(path_prefix=PREFIX)["paths"]
    return [
        Call(method.upper(), path, Scope(operation["x-scope"]) if "x-scope" in operation else None)
        for path, calls in paths.items()
        for method, operation in calls.items()
    ]
