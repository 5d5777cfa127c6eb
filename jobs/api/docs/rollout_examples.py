"""The examples of rules and roll-outs, for the API's description."""

from __future__ import annotations

from typing import Any

import msgspec

from jobs.api.docs.examples import AT, DONE, JOB_ID, Examples
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.routing.rule_document import Cohort, RuleDocument

SHA256 = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
_OF_ACME = {"properties": {"metadata": {"properties": {"tenant": {"const": "acme"}}}}}
RULE_DOCUMENT: dict[str, Any] = RuleDocument(
    stable="1",
    candidate="2",
    share=0.05,
    baseline=True,
    cohorts=(Cohort(when=_OF_ACME, arm="stable"),),
    salt="9b1de2f0",
).document
PLAN = msgspec.structs.replace(Plan(), budget=300).document
RULE = {
    "id": 41, "model": "minilm", "alias": "default", "number": 14, "document": RULE_DOCUMENT,
    "sha256": SHA256, "rollout": None, "actor": "client:operators", "reason": "try it on a few",
    "approvals": [], "at": AT,
}  # fmt: skip
PUT: Examples = {
    "a canary of 5 %": {
        "document": {"stable": "1", "candidate": "2", "share": 0.05, "baseline": True},
        "reason": "try it on a few",
    },
    "back to one version": {"document": {"stable": "1"}, "reason": "it is slower"},
}
PREVIEWS: Examples = {
    "jobs as they may come": {
        "document": {"stable": "1", "candidate": "2", "share": 0.5},
        "asks": [{"input": {"text": "Good morning."}}, {"input": {"text": "Good night."}, "priority": 7}],
    },
    "the last stored jobs": {"document": {"stable": "1", "candidate": "2", "share": 0.05}, "last": 10_000},
}
PREVIEWED = {
    "document": RULE_DOCUMENT,
    "total": 1,
    "gone": 0,
    "by_version": {"1": 0, "2": 1},
    "by_arm": {"candidate": 1},
    "decisions": [
        {
            "job": JOB_ID,
            "version": "2",
            "arm": "candidate",
            "why": "its bucket is below the share",
            "bucket": 4711,
        }
    ],
}
STARTS: Examples = {
    "with every default": {"candidate": "2", "reason": "better recall", "ticket": "ML-31"},
    "slower, and by client": {
        "candidate": "2",
        "alias": "default",
        "plan": {"steps": [1, 10, 100], "step_s": 3600, "sticky": "client"},
    },
}
ACTS: Examples = {"with a reason": {"reason": "a complaint of a customer"}, "without": {}}
PROMOTIONS: Examples = {
    "past missing evidence": {"anyway": "checked by hand on 2,000 answers"},
    "where nothing is missing": {},
}
APPROVALS: Examples = {"the plan that was read": {"sha256": SHA256}, "the plan as it is": {}}
BUDGETS: Examples = {"1,000 jobs": {"budget": 1000, "reason": "too few jobs come at night"}}
VERSIONS: Examples = {"with a reason": {"reason": "the labels are exchanged"}, "without": {}}

CHANGE = {
    "id": 3, "model": "minilm", "alias": "default", "stable": "1", "candidate": "2", "state": "running",
    "hold": None, "sentence": "41 of about 300 jobs met; none failed.", "step": 0, "share": 0.01, "met": 41,
    "budget": 300, "proven": False, "deaths": 0, "state_since": AT, "ended_at": None,
}  # fmt: skip
_NUMBERS = {"candidate_keys": 41, "candidate_failures": 0, "e_failures": 0.8}
ROLLOUT = {
    **CHANGE, "plan": PLAN, "sha256": SHA256, "steps": [0.01, 0.05, 0.25, 0.5, 1.0], "rule": 14,
    "actor": "client:operators", "reason": "better recall", "ticket": "ML-31",
    "approvals": [{"actor": "client:reviewers", "at": AT}], "approvals_required": 1, "created_at": AT,
    "step_since": AT, "numbers": _NUMBERS,
}  # fmt: skip
_PAUSED_ENDED: dict[str, Any] = {"share": 0.0, "state_since": DONE}
HELD = {
    **ROLLOUT,
    **_PAUSED_ENDED,
    "state": "held",
    "hold": "paused",
    "sentence": "client:operators paused it.",
}
ROLLED_BACK = {
    **ROLLOUT, **_PAUSED_ENDED, "state": "rolled_back", "sentence": "client:operators rolled it back.",
    "ended_at": DONE,
}  # fmt: skip
CANCELLED = {**ROLLED_BACK, "state": "cancelled", "sentence": "client:operators cancelled it."}
LARGER_BUDGET = {**ROLLOUT, "budget": 1000, "plan": PLAN | {"budget": 1000}, "approvals": []}
_ACT = {
    "at": AT, "act": "step", "actor": "judge", "state": "running", "hold": "", "step": 1, "share_ppm": 50_000,
    "met": 3000, "budget": 300, "proven": True, "deaths": 0, "sentence": "Enough was seen.",
    "numbers": _NUMBERS,
}  # fmt: skip
RECORD = {
    "rollout": 3, "model": "minilm", "alias": "default", "stable": "1", "candidate": "2", "state": "running",
    "sentence": CHANGE["sentence"],
    "by": {"actor": "client:operators", "reason": "better recall", "ticket": "ML-31"},
    "created_at": AT, "ended_at": None, "plan": PLAN, "sha256": SHA256,
    "approvals": {"required": 1, "given": ROLLOUT["approvals"]},
    "gate": {"id": 7, "state": "done", "outcome": "It answers its example.", "report": None, "ended_at": AT},
    "exposure": {"met": 41, "budget": 300, "proven": False}, "acts": [_ACT],
    "rules": [{"number": 14, "at": AT, "stable": "1", "candidate": "2", "share": 0.01}], "numbers": _NUMBERS,
}  # fmt: skip
RECORD_PAGE: Examples = {
    "the beginning of a page": "# Roll-out 3: minilm:2 at `default`\n\n**running**. 41 of 300 jobs met.\n"
}


def _event(name: str, event_id: str, data: dict[str, Any]) -> str:
    return f"event: {name}\nid: {event_id}\ndata: {msgspec.json.encode(data).decode()}\n\n"


_END = {name: ROLLED_BACK[name] for name in CHANGE}
EVENTS: Examples = {
    "it goes on": _event("change", "0c7d1f9be2a74f5a", CHANGE),
    "it was rolled back": _event("end", "8d6c3b1e9f204a57", _END),
}
