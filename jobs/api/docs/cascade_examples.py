"""The examples of reports on cascades, for the API's description."""

from __future__ import annotations

from typing import Any

from jobs.api.docs.examples import JOB_ID, Examples

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
PAGE: Examples = {"a page": "<!doctype html><title>Cascade of digits@default, rule 15</title>"}
PICTURE: Examples = {"a picture": "the bytes of a PNG"}
