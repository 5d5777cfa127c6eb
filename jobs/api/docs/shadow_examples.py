"""The examples of shadows, for the API's description."""

from __future__ import annotations

from jobs.api.docs import backtest_examples
from jobs.api.docs.examples import AT, DONE, Examples

_REPORT = {
    **backtest_examples.REPORT,
    "jobs": {"ran": 980, "cancelled": 12, "gone": 8, "unreadable": 0},
    "copies": {
        "made": 1180, "open": 20, "run": 1100, "old": 60, "unwanted": 0, "lost": 0,
    },
    "agreement": {
        "by": "cosine", "at": "/embedding", "compared": 978, "agreed": 970, "share": 0.9918,
        "noise": {"compared": 100, "agreed": 100, "share": 1.0},
    },
    "too_long_s": None,
}  # fmt: skip
RUNNING = {
    "model": "minilm", "alias": "default", "number": 14, "version": "minilm:2", "stable": "minilm:1",
    "share": 1.0, "batch_s": 0.05, "time_share": 0.002, "state": "running", "reason": "", "actor": "",
    "sentence": "Of 1,180 copies 980 were run by both versions, 60 were dropped and 20 wait. The shadow alone"
    " failed 2, the stable version alone 0; 970 of 978 outputs agree, of the stable version with itself"
    " 100.0 %.",
    "report": _REPORT, "since": AT, "changed_at": AT, "ran_at": DONE,
}  # fmt: skip
STOPPED = {
    **RUNNING, "state": "stopped", "changed_at": DONE, "actor": "platform",
    "reason": "The worker gpu-0@a ended with a copy in hand, which may be what ended it. Look at its log,"
    " then start the shadow again.",
}  # fmt: skip
ACTS: Examples = {"with a reason": {"reason": "its log shows another cause"}, "without": {}}
PAGE: Examples = {"the beginning of a page": "<!doctype html><title>Shadow minilm:2 of rule 14</title>"}
PICTURE: Examples = {"the beginning of a picture": "\x89PNG"}
