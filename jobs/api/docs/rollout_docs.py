"""The description of the requests of rules, roll-outs and states of versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.api.docs import drift_examples, rollout_examples
from jobs.api.docs.examples import Examples
from jobs.api.docs.named_schemas import named
from jobs.api.docs.request_docs import body_of, header, schema_of
from jobs.api.docs.response_docs import ANSWERS, by_example


def _asks(name: str, shown: Examples, *, required: bool = True) -> dict[str, Any]:
    """Return the description of a JSON body; one with defaults for all may be left out."""
    return {"requestBody": body_of(("application/json", schema_of(name), shown)) | {"required": required}}


RULE_DOC = _asks("RulePut", rollout_examples.PUT)
PREVIEW_DOC = _asks("RulePreview", rollout_examples.PREVIEWS)
START_DOC = _asks("RolloutStart", rollout_examples.STARTS)
ACT_DOC = _asks("RolloutReason", rollout_examples.ACTS, required=False)
PROMOTE_DOC = _asks("RolloutPromotion", rollout_examples.PROMOTIONS, required=False)
APPROVE_DOC = _asks("RolloutApprove", rollout_examples.APPROVALS, required=False)
BUDGET_DOC = _asks("RolloutBudget", rollout_examples.BUDGETS)
REFERENCE_DOC = _asks("DriftReferenceRequest", drift_examples.REFERENCES)
VERSION_DOC = _asks("VersionChange", rollout_examples.VERSIONS, required=False)

_PAGE = {"schema": {"type": "string"}, "examples": by_example(rollout_examples.RECORD_PAGE)}
_ACCEPT = header(
    "Accept",
    {"type": "string"},
    "`text/markdown` returns a page of Markdown; anything else JSON.",
    "text/markdown",
)
RECORD_DOC: dict[str, Any] = {
    "parameters": [_ACCEPT],
    "responses": {200: {"content": {"text/markdown": _PAGE}}},
}
_LAST_EVENT = header(
    "Last-Event-ID",
    {"type": "string"},
    "The id of the last event that you received: the stream continues with the next change.",
    "0c7d1f9be2a74f5a",
)
_EVENTS_ANSWER = ANSWERS["get rollouts/{rollout_id}/events"]
_EVENTS = {"schema": {"type": "string"}, "x-itemSchema": named("RolloutEvent")}
ROLLOUT_EVENTS_DOC: dict[str, Any] = {
    "parameters": [_LAST_EVENT],
    "responses": {
        200: {"description": _EVENTS_ANSWER[200].means, "content": {"text/event-stream": _EVENTS}},
        204: {"description": _EVENTS_ANSWER[204].means},
    },
}
# Parameters that mean something else at the list of jobs.
LIST_PARAMETERS: Mapping[str, tuple[str, Any]] = {
    "state": ("Only roll-outs in this state.", "running"),
    "model": ("Only roll-outs of this model.", "minilm"),
    "limit": ("The largest number of roll-outs.", 20),
}
