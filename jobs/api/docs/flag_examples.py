"""The examples of flags, for the API's description."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jobs.api.docs.examples import AT, JOB_ID, Examples
from jobs.api.docs.rollout_examples import SHA256
from models_registry.core.routing.flag_document import FlagDocument

FLAG_DOCUMENT: dict[str, Any] = FlagDocument(
    owner="search team",
    expires_at=datetime(2026, 6, 1, tzinfo=UTC),
    share=0.1,
    clients=("search-app",),
).document
_OFF: dict[str, Any] = {"owner": "on-call", "expires_at": "2026-02-01T00:00:00Z", "on": False}
_OF_ONE_MODEL = {"properties": {"metadata": {"properties": {"model": {"const": "minilm"}}}}}
FLAG = {
    "name": "new-tokens", "number": 2, "document": FLAG_DOCUMENT, "sha256": SHA256,
    "expires_at": FLAG_DOCUMENT["expires_at"], "expired": False, "actor": "client:operators",
    "reason": "a tenth of the jobs now", "at": AT,
}  # fmt: skip
FLAG_CHANGE = {name: FLAG[name] for name in ("name", "number", "document", "sha256", "actor", "reason", "at")}
FLAG_REMOVED = FLAG_CHANGE | {"number": 3, "document": None, "sha256": "", "reason": "it is everywhere"}
SHOWN_FLAG = FLAG | {"used_by": ["minilm@default"], "changes": [FLAG_CHANGE]}
FLAG_PUTS: Examples = {
    "on for a client, and for a tenth of the other jobs": {
        "document": {"owner": "search team", "expires_at": "2026-06-01T00:00:00Z", "share": 0.1,
                     "clients": ["search-app"]},
        "reason": "a tenth of the jobs now",
        "number": 1,
    },
    "no job takes a stored result": {"document": _OFF, "reason": "the answers of last night were wrong"},
    "the judge does not roll back one model's candidates": {
        "document": {**_OFF, "on": True, "when": {"not": _OF_ONE_MODEL}},
        "reason": "we look at each failure of minilm ourselves today",
    },
}  # fmt: skip
FLAG_PREVIEWS: Examples = {
    "the last stored jobs": {
        "document": {"owner": "search team", "expires_at": "2026-06-01T00:00:00Z", "share": 0.1},
        "last": 10_000,
    },
    "a job as it may come, of a rule that is sticky by client": {
        "document": {"owner": "search team", "expires_at": "2026-06-01T00:00:00Z", "share": 0.5},
        "sticky": "client",
        "asks": [{"input": {"text": "Good morning."}, "client": "search-app"}],
    },
}
FLAG_PREVIEWED = {
    "document": FLAG_DOCUMENT,
    "total": 1,
    "gone": 0,
    "on": 1,
    "by_client": {"search-app": 1},
    "decisions": [{"on": True, "why": "client", "bucket": 471_100, "client": "search-app", "job": JOB_ID}],
}
