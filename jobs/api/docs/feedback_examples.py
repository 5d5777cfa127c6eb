"""The examples of feedback and of A/B tests, for the API's description."""

from __future__ import annotations

from jobs.api.docs.examples import AT, JOB_ID, Examples

GIVEN: Examples = {
    "a click": {"name": "clicked", "value": True},
    "a rating": {"name": "stars", "value": 4},
    "the true label": {"name": "true_label", "value": "invoice"},
}
MANY: Examples = {
    "of two names": {
        "feedback": [
            {"job": JOB_ID, "name": "clicked", "value": False},
            {"job": JOB_ID, "name": "true_label", "value": "invoice"},
        ]
    }
}
STORED = {"job": JOB_ID, "name": "clicked", "value": 1.0}
OUTCOMES = {
    "accepted": 1,
    "rejected": 1,
    "feedback": [
        {"index": 0, "job": JOB_ID, "name": "clicked", "value": 0.0, "new": True},
        {
            "index": 1,
            "problem": {
                "type": "about:blank", "title": "Conflict", "status": 409, "code": "feedback_conflict",
                "detail": "The job has another value for 'true_label': feedback does not change.",
            },
        },
    ],
}  # fmt: skip
_RATE = {"rate": 0.002, "low": 0.0011, "high": 0.0036}
_ARM = {
    "version": "1", "share": 0.5, "is_reference": True, "exposed": 6_030, "keys": 4_980, "finished": 6_028,
    "answered": 6_016, "failed": 12, "moved": 0, "with_feedback": 1_204, "error_rate": _RATE,
    "error_difference": None, "p95_s": 0.41, "device_s_per_job": 0.0031, "refused_s": 0.0,
    "refused_clients": 0,
}  # fmt: skip
_NO_DIFFERENCE = {"difference": 0.0001, "low": -0.0045, "high": 0.0047, "certain": False}
REPORT = {
    "model": "minilm", "alias": "default", "rule": 15, "since": AT, "until": None, "sticky": "client",
    "reference": "1", "valid": True, "sample_ratio_p": 0.44, "whole": True,
    "sentence": "12,010 jobs of 9,903 clients: clicked of 2 is higher than of 1 by 0.021 to 0.139.",
    "arms": [
        _ARM,
        {
            **_ARM, "version": "2", "is_reference": False, "exposed": 5_980, "keys": 4_923, "finished": 5_980,
            "answered": 5_968, "error_difference": _NO_DIFFERENCE, "device_s_per_job": 0.0058, "p95_s": 0.55,
        },
    ],
    "feedback": [
        {
            "name": "clicked",
            "arms": [
                {"version": "1", "jobs": 1_204, "keys": 990, "mean": 0.31, "difference": None},
                {
                    "version": "2", "jobs": 1_199, "keys": 1_002, "mean": 0.39,
                    "difference": {"difference": 0.08, "low": 0.021, "high": 0.139, "certain": True},
                },
            ],
            "labels": {},
        }
    ],
}  # fmt: skip
PAGE: Examples = {
    "the beginning of a page": "<!doctype html><title>A/B test by rule 15 of minilm@default</title>"
}
