"""The examples of backtests, for the API's description."""

from __future__ import annotations

from jobs.api.docs.examples import AT, DONE, JOB_ID, Examples

REQUESTS: Examples = {
    "against what answers now": {"version": "2"},
    "embeddings of one client": {
        "version": "2", "against": "1", "most": 5000,
        "filter": {"client": "search-app", "created_after": "2026-01-31T00:00:00Z"},
        "agreement": {"by": "cosine", "at": "/embedding", "cosine": 0.99},
    },
    "with true labels": {
        "version": "2", "labels": {JOB_ID: "7"}, "agreement": {"by": "label", "at": "/digit"},
    },
}  # fmt: skip
WAITING = {
    "id": 5, "model": "minilm", "version": "minilm:2", "against": "minilm:1", "state": "waiting",
    "done": None, "outcome": "", "report": None, "actor": "client:operators", "created_at": AT,
    "ended_at": None,
}  # fmt: skip
REPORT = {
    "jobs": {"ran": 980, "cancelled": 12, "gone": 8, "unreadable": 0, "unknown": 0},
    "failures": {
        "candidate": {"internal: ValueError": 2}, "stable": {}, "candidate_alone": 2, "stable_alone": 0,
    },
    "agreement": {"by": "cosine", "at": "/embedding", "compared": 978, "agreed": 970, "share": 0.9918},
    "service_times": [
        {"size": 8, "batches": 24, "candidate_s": 0.021, "stable_s": 0.019, "ratio": 1.1},
        {"size": 32, "batches": 24, "candidate_s": 0.052, "stable_s": 0.049, "ratio": 1.06},
    ],
    "labels": None,
    "differences": [{"job": JOB_ID, "distance": 0.21}],
}  # fmt: skip
ENDED = {
    **WAITING, "state": "done", "done": 1.0, "report": REPORT, "ended_at": DONE,
    "outcome": "980 jobs were run, of which the version failed 2, the other one 0; 970 of 978 outputs agree.",
}  # fmt: skip
CANCELLED = {**WAITING, "state": "cancelled", "ended_at": DONE, "outcome": "Cancelled by client:operators."}
PAGE: Examples = {"the beginning of a page": "<!doctype html><title>Backtest 5 of minilm:2</title>"}
