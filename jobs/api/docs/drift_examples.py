"""The examples of drift, for the API's description."""

from __future__ import annotations

from typing import Any

from jobs.api.docs.examples import AT, DONE, Examples

REFERENCES: Examples = {
    "a week of its own jobs": {
        "version": "2", "since": "2026-01-19T00:00:00Z", "until": "2026-01-26T00:00:00Z",
        "reason": "a week holds each hour of the day",
    },
    "as another version": {"version": "3", "like": "2"},
}  # fmt: skip
_FIGURES = {"psi": 0.41, "distance": 0.31, "bound": 0.11}
_HOUR = {"hour": AT, "n": 1840, "missing": 0, **_FIGURES, "exceeds": True}
_FIELD = {
    "field": "output:label", "drifts": True,
    "reference": {"n": 5210, "missing": 0, "labels": {"3": 2604, "7": 2606}},
    "last": {"n": 1840, "missing": 0, "labels": {"3": 350, "7": 1490}},
    "hours": [{**_HOUR, "hour": "2026-01-31T11:00:00Z"}, _HOUR],
}  # fmt: skip
REFERENCE = {
    "origin": "the first jobs after its promotion at 2026-01-19 08:12:40 UTC", "jobs": 5210,
    "compared_from": "2026-01-19T10:00:00Z", "actor": "platform", "frozen_at": AT,
}  # fmt: skip
ALARM = {
    "id": 4, "hour": AT, "fields": {"output:label": {**_FIGURES, "n": 1840}}, "generation": 2,
    "webhook": "delivered", "attempts": 1, "answer": "200",
}  # fmt: skip
_VERSION: dict[str, Any] = {
    "version": "2", "sentence": "It drifts: output:label.", "drifting": ["output:label"],
    "reference": REFERENCE, "jobs": 5210, "jobs_required": 5000, "fields": [_FIELD], "alarms": [ALARM],
}  # fmt: skip
DRIFT = {"model": "digits", "versions": [_VERSION]}
FROZEN = {
    "model": "digits",
    "versions": [
        _VERSION | {
            "sentence": "No hour has been compared with its reference yet.", "drifting": [], "jobs": 81_400,
            "reference": {
                "origin": "its jobs of 2026-01-19 00:00:00 UTC to 2026-01-26 00:00:00 UTC", "jobs": 81_400,
                "compared_from": "2026-01-26T00:00:00Z", "actor": "client:operators", "frozen_at": DONE,
            },
            "fields": [_FIELD | {"drifts": False, "last": None, "hours": []}],
        }
    ],
}  # fmt: skip
