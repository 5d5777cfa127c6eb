"""The schemas that only requests and streams use, by the names that generated clients give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jobs.core.ab_tests.feedback_request import FeedbackGiven, FeedbackMany
from jobs.core.acting.bulk_request import BulkRequest
from jobs.core.cascades.report_request import CascadeAsk
from jobs.core.drift.drift_requests import DriftReferenceRequest
from jobs.core.rollouts.flag_requests import FlagPreview, FlagPut
from jobs.core.rollouts.rollout_requests import (
    RolloutApprove,
    RolloutBudget,
    RolloutPromotion,
    RolloutReason,
    RolloutStart,
    RulePreview,
    RulePut,
    ShadowAct,
    VersionChange,
)
from jobs.core.submission.erasure_request import ErasureRequest
from jobs.core.submission.registration_request import RegistrationRequest
from jobs.core.submission.request import MAX_KEY_CHARS, JobRequest
from jobs.core.trials.trial_specs import BacktestRequest
from models_registry.core.patterns import plain_ends
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.routing.flag_document import FlagDocument
from models_registry.core.routing.rule_document import RuleDocument

# Bodies, and what is written in them, which is checked later than the body around it.
_ON_ROLLOUTS = [
    RulePut, RulePreview, RolloutStart, RolloutReason, RolloutApprove, RolloutPromotion, RolloutBudget,
    VersionChange, RuleDocument, Plan, DriftReferenceRequest, FlagPut, FlagPreview, FlagDocument, ShadowAct,
]  # fmt: skip
_CONTENTS = {"RuleContents": "RuleDocument", "FlagContents": "FlagDocument"}
# What is written in a field of a body.
_WRITTEN = {
    ("RulePut", "document"): "RuleContents",
    ("RulePreview", "document"): "RuleContents",
    ("RolloutStart", "plan"): "Plan",
    ("FlagPut", "document"): "FlagContents",
    ("FlagPreview", "document"): "FlagContents",
}
_KEY_TEXT = {"maxLength": MAX_KEY_CHARS, "pattern": "^[ -~]+$"}
BINARY = {"type": "string", "format": "binary"}


def _requests() -> dict[str, Any]:
    """Return the schemas of our own types; what they leave implicit is written out, for generators."""
    requests = [
        JobRequest, ErasureRequest, RegistrationRequest, BulkRequest, BacktestRequest, FeedbackGiven,
        FeedbackMany, CascadeAsk, *_ON_ROLLOUTS,
    ]  # fmt: skip
    _, named_parts = msgspec.json.schema_components(requests, ref_template="#/components/schemas/{name}")
    # Answers describe the enumerations by the same names.
    schemas = {name: plain_ends(schema) for name, schema in named_parts.items() if "properties" in schema}
    for field in (field for schema in schemas.values() for field in schema["properties"].values()):
        for choice in field.get("anyOf", (field,)):
            if choice.get("type") == "object":
                choice["additionalProperties"] = True
            if "enum" in choice:
                choice["type"] = "string"
    # A generator calls the `document` of a `Rule` in an answer `RuleDocument`.
    for contents, document in _CONTENTS.items():
        schemas[contents] = schemas.pop(document) | {"title": contents}
    for (name, field), written in _WRITTEN.items():
        parsed = schemas[name]["properties"][field]
        parsed["allOf"] = [named(written)]
        for made in ("type", "additionalProperties", "default"):
            parsed.pop(made, None)
    (key, *_) = schemas["JobRequest"]["properties"]["idempotency_key"]["anyOf"]
    key.update(_KEY_TEXT)
    return schemas


def named(name: str) -> dict[str, str]:
    """Return the reference to a schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def lines_of(name: str) -> dict[str, Any]:
    """Return the description of NDJSON: bytes to a client, and the schema of each line.

    OpenAPI 3.2 has `itemSchema` for it; until generators read that, it is an extension.
    """
    return {"schema": BINARY, "x-itemSchema": named(name)}


_FORM = {
    "title": "JobForm",
    "type": "object",
    "description": 'The job as JSON, and files, which its input refers to as `{"$part": NAME}`.',
    "properties": {"job": named("JobRequest")},
    "additionalProperties": BINARY,
    "required": ["job"],
}
_EVENT = {
    "title": "JobEvent",
    "type": "object",
    "description": "An event of a job's stream; its data is JSON. That of `end` is the whole job, that of"
    " `state` and `progress` what has changed.",
    "properties": {name: {"type": "string"} for name in ("event", "id", "data")},
    "required": ["event", "id", "data"],
}
_ROLLOUT_EVENT = {
    **_EVENT,
    "title": "RolloutEvent",
    "description": "An event of a roll-out's stream: `change`, or `end` as the last. Its data is JSON: how"
    " the roll-out stands.",
}
_WEBHOOK = {
    "title": "JobWebhook",
    "type": "object",
    "description": "What is sent to a job's `callback_url` when the job has ended.",
    "required": ["type", "timestamp", "data"],
    "properties": {
        "type": {"type": "string", "examples": ["job.succeeded", "job.dead"]},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": named("Job"),
    },
}
NAMED: Mapping[str, dict[str, Any]] = {
    **_requests(),
    "JobForm": _FORM,
    "JobEvent": _EVENT,
    "RolloutEvent": _ROLLOUT_EVENT,
    "JobWebhook": _WEBHOOK,
}
