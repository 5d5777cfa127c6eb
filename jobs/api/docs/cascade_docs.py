"""The description of reports on cascades: their requests, forms and examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.api.docs.examples import JOB_ID, Examples
from jobs.api.docs.request_docs import body_of, header, schema_of

REQUESTS: Examples = {
    "with right labels": {"labels": {JOB_ID: "7"}, "at": "/digit"},
    "the newest jobs": {"most": 500},
}
REPORT: dict[str, Any] = {
    "model": "digits",
    "alias": "default",
    "rule": 15,
    "plan": [
        {
            "version": "digits:light", "id": 7,
            "checks": [{"pointer": "/confidence", "below": 0.7, "goto": 1, "degrades": True}],
        },
        {"version": "digits:heavy", "id": 8, "checks": []},
    ],
    "report": {
        "jobs": 899, "escalated": 126, "escalated_share": 0.1402, "degraded": 0, "device_s": 0.051,
        "device_s_per_job": 0.0000567,
        "steps": [
            {
                "version": "digits:light", "jobs": 899, "ends": {"below": 126, "enough": 773},
                "device_s": 0.02, "device_s_per_job": 0.0000222,
            },
            {
                "version": "digits:heavy", "jobs": 126, "ends": {"enough": 126}, "device_s": 0.031,
                "device_s_per_job": 0.000246,
            },
        ],
        "labelled": 899, "first_accuracy": 0.9622, "last_accuracy": 0.9878, "changed_share": 0.2063,
        "threshold": 0.7,
        "curve": [
            {
                "below": 0.7, "escalated_share": 0.1402, "device_s_per_job": 0.0000567,
                "accuracy_low": 0.9878, "accuracy_high": 0.9878,
            },
        ],
    },
}  # fmt: skip
_ACCEPT = header(
    "Accept",
    {"type": "string"},
    "`text/html` returns a page, `image/png` the curve over the threshold where a job has ended, and anything"
    " else JSON.",
    "image/png",
)
_FORMS = {
    "text/html": {"schema": {"type": "string"}},
    "image/png": {"schema": {"type": "string", "format": "binary"}},
}
CASCADE_DOC: dict[str, Any] = {"parameters": [_ACCEPT], "responses": {200: {"content": _FORMS}}}
LABELLED_DOC: dict[str, Any] = CASCADE_DOC | {
    "requestBody": body_of(("application/json", schema_of("CascadeAsk"), REQUESTS)) | {"required": True}
}
# Parameters that mean something else elsewhere.
CASCADE_PARAMETERS: Mapping[str, tuple[str, Any]] = {
    "alias": ("The alias whose rule it is.", "default"),
    "number": ("The rule's number; the highest one of its alias is in force.", 15),
    "most": ("The newest jobs, at most so many; of a POST its body decides.", 1_000),
}
