"""The examples of acts on many jobs, for the API's description."""

from __future__ import annotations

from jobs.api.docs.examples import AT, DONE, Examples

REQUESTS: Examples = {
    "all that wait at a model": {"model": "minilm", "state": "queued", "rate_per_s": 500},
    "how many failed alike": {
        "kind": "transient",
        "created_after": "2026-01-31T00:00:00Z",
        "dry_run": True,
    },
    "by a field of the metadata": {"model": "minilm", "metadata": {"tenant": "acme"}},
}
RUNNING = {
    "id": 12, "verb": "cancel", "state": "running", "total": 5200, "more": False, "done": 1400, "failed": 3,
    "rate_per_s": 500.0, "actor": "client:search-app", "created_at": AT, "ended_at": None,
}  # fmt: skip
FINISHED = {**RUNNING, "state": "finished", "done": 5197, "ended_at": DONE}
STOPPED = {**RUNNING, "state": "stopped", "ended_at": DONE}
PREVIEW = {
    **RUNNING, "id": None, "state": None, "done": 0, "failed": 0, "created_at": None,
}  # fmt: skip
