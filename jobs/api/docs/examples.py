"""The examples of the API's description: the life of one job, from its submit to its webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Examples = Mapping[str, Any]
_BASE = "https://inference.example/api/v1/jobs"
JOB_ID = "019b2f6c-52a1-7c3e-9d04-6a1f0e8b7c25"
OTHER_ID = "019b2f6c-52a1-7c3e-9d04-6a1f0e8b7c26"
UPLOAD_ID = "019b2f6b-0c7d-7b12-8e55-3f9a4d21c608"
_ERASURE_ID = "019b2f6d-0a11-7b02-9c33-5d7e9f1a2b3c"
_BATCH_ID, _WORKER_ID = "019b2f6c-5311-7f00-a1b2-c3d4e5f60718", "019b2f00-0000-7a00-8a00-0123456789ab"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_SOURCE = "hf:my-org/minilm@7c1f5d0a3f8e4b2d9c6a1e0b5f4d3c2b1a098f7e"
_ORIGIN = {"trained_by": "ann", "code": "3f2c9d1", "metrics": {"recall": 0.93}}
AT, _STARTED, DONE = "2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00.012Z", "2026-01-31T12:00:00.055Z"
_URLS = {
    "self": f"{_BASE}/{JOB_ID}",
    "wait": f"{_BASE}/{JOB_ID}?wait=30",
    "cancel": f"{_BASE}/{JOB_ID}/cancel",
    "events": f"{_BASE}/{JOB_ID}/events",
}


def lines(*items: Mapping[str, Any]) -> str:
    """Return items as NDJSON, one a line."""
    return "".join(f"{msgspec.json.encode(item).decode()}\n" for item in items)


ROTATED = {
    "token": "inf_pZ1h7x0m3q9vT4kLr8sYcW2dN6bGfJ5aEoUiQwXyR0t",
    "prefix": "inf_pZ1h",
    "scopes": ["read", "submit"],
    "expires_at": "2026-05-01T12:00:00.000Z",
}
LIVE_WORKER = {
    "id": _WORKER_ID,
    "node": "gpu-0@host-a.example",
    "host": "host-a.example",
    "zone": "eu-1a",
    "device": "cuda:0",
    "device_uuid": "GPU-5f2b1c9e-8a34-4d17-9c60-7d2e41b8a903",
    "models": ["minilm"],
    "lanes": 1,
    "lane": None,
    "started_at": AT,
    "heartbeat_at": DONE,
    "versions": [
        {
            "model": "minilm",
            "version": "2",
            "state": "loading",
            "since": DONE,
            "load_s": None,
            "memory_bytes": None,
            "failed_loads": 0,
            "last_error": None,
        }
    ],
}
SENTENCE = {"model": "minilm", "input": {"text": "Good morning."}, "priority": 7, "deadline_s": 60}
NOTED = {"model": "minilm:1", "input": {"text": "Good night."}, "metadata": {"order": 4711}}
CALLED = {
    "model": "minilm",
    "input": {"text": "Good day."},
    "callback_url": "https://app.example/hooks/inference",
    "idempotency_key": "order-4711",
}
OF_UPLOAD = {"model": "reader", "input": {"page": {"$upload": UPLOAD_ID}, "language": "en"}}
OF_PARTS = {"model": "reader", "input": {"pages": [{"$part": "first"}, {"$part": "second"}]}}

ACKNOWLEDGED = {
    "id": JOB_ID,
    "state": "queued",
    "model": "minilm",
    "version": "1",
    "attempts": 0,
    "created_at": AT,
    "queue_position": 12,
    "eta_s": 0.21,
    "eta_unknown": None,
    "urls": _URLS,
}
_LISTED = {**ACKNOWLEDGED, "priority": 7, "max_attempts": 3, "deadline": "2026-01-31T12:01:00.000Z"}
QUEUED_LISTED = {**_LISTED, "started_at": None, "finished_at": None}
QUEUED = {**QUEUED_LISTED, "payload_expired": False, "metadata": {"order": 4711}, "cached_from": None}
_ENDED = {**QUEUED, "queue_position": None, "eta_s": None, "finished_at": DONE}
_RAN = {**_ENDED, "attempts": 1, "started_at": _STARTED}
SUCCEEDED = {**_RAN, "state": "succeeded", "output": {"embedding": [0.0312, -0.0871, 0.0455]}}
CACHED = {**SUCCEEDED, "attempts": 0, "started_at": None, "cached_from": OTHER_ID}
_CANCELLED = {
    "kind": "cancelled",
    "code": "cancelled",
    "detail": "The job was cancelled by a call of the API.",
    "reason": "",
}
CANCELLED = {**_ENDED, "state": "cancelled", "error": _CANCELLED}
_EXPIRED = {
    "kind": "timeout",
    "code": "deadline",
    "detail": "The job's deadline passed before it ended.",
    "reason": "",
}
EXPIRED = {**_ENDED, "state": "expired", "error": _EXPIRED}
_ERROR = {
    "kind": "invalid",
    "code": "invalid_input",
    "detail": "The text is empty.",
    "reason": "a failure of kind invalid is not retried",
}
DEAD = {**_RAN, "state": "dead", "error": _ERROR}

SUBMITS: Examples = {
    "a sentence": SENTENCE,
    "one version, with metadata": NOTED,
    "with a webhook, and safe to send again": CALLED,
    "with an uploaded file": OF_UPLOAD,
}
FORMS: Examples = {
    "a job and its two files": {
        "job": OF_PARTS,
        "first": "(the bytes of the first file)",
        "second": "(the bytes of the second file)",
    }
}
MANY: Examples = {"two jobs": [SENTENCE, NOTED], "two jobs with one file": [OF_UPLOAD, OF_UPLOAD]}
LINES: Examples = {"two jobs": lines(SENTENCE, NOTED)}
FILES: Examples = {"a file": "(the bytes of the file)"}
WEBHOOKS: Examples = {
    "succeeded": {"type": "job.succeeded", "timestamp": DONE, "data": SUCCEEDED},
    "dead": {"type": "job.dead", "timestamp": DONE, "data": DEAD},
    "expired": {"type": "job.expired", "timestamp": DONE, "data": EXPIRED},
}

ERASURES: Examples = {
    "all jobs of a customer": {"subject": "customer-4711"},
    "only count them": {"subject": "customer-4711", "dry_run": True},
}
REGISTRATIONS: Examples = {
    "an uploaded file": {
        "version": "1",
        "loader": "sklearn",
        "upload": UPLOAD_ID,
        "example": {"data": [5.1, 3.5, 1.4, 0.2]},
    },
    "a file of the hub": {"version": "2", "loader": "onnx", "source": "hf:my-org/iris@main#iris.onnx"},
}
ERASURE = {"id": _ERASURE_ID, "jobs": 240, "erased": 240, "created_at": AT, "finished_at": DONE}
COUNTED = {"id": None, "jobs": 240, "erased": 0, "created_at": None, "finished_at": None}

UPLOADED = {
    "id": UPLOAD_ID,
    "size": 48_213,
    "sha256": _SHA256,
    "content_type": "image/png",
    "expires_at": "2026-02-01T12:00:00.000Z",
}
BULK = {
    "accepted": 1,
    "rejected": 1,
    "jobs": [
        {"index": 0, "id": JOB_ID, "state": "queued"},
        {
            "index": 1,
            "problem": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "code": "model_not_found",
                "detail": "There is no model 'minilm:9'.",
            },
        },
    ],
}
PAGE = {"jobs": [QUEUED_LISTED], "next_cursor": JOB_ID}
LAST_PAGE: Mapping[str, Any] = {"jobs": [], "next_cursor": None}
_SNAPSHOT = {"id": JOB_ID, "state": "running", "attempts": 1}


def _event(name: str, event_id: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\nid: {event_id}\ndata: {msgspec.json.encode(data).decode()}\n\n"


EVENTS: Examples = {
    "it has started": _event("state", "1.0.running", _SNAPSHOT),
    "it is half done": _event(
        "progress", "1.5.running", {**_SNAPSHOT, "fraction": 0.5, "message": "step 5 of 10"}
    ),
    "it has ended": _event("end", "1.5.succeeded", SUCCEEDED),
}
_OF_AN_ATTEMPT = ("epoch", "kind", "code", "batch", "worker", "device")
LINEAGE = {
    "id": JOB_ID,
    "state": "succeeded",
    "epoch": 1,
    "attempts": 1,
    "created_at": AT,
    "started_at": _STARTED,
    "finished_at": DONE,
    "model": {
        "name": "minilm",
        "version": "1",
        "loader": "transformer",
        "sha256": _SHA256,
        "source": _SOURCE,
        "origin": _ORIGIN,
    },
    "input": {"sha256": _SHA256, "parameters_sha256": None},
    "output": {"epoch": 1, "sha256": _SHA256, "cached_from": None},
    "batch": {
        "id": _BATCH_ID,
        "size": 32,
        "seal_reason": "full",
        "claimed_at": _STARTED,
        "ran_s": 0.041,
        "finished_at": DONE,
    },
    "worker": {"id": _WORKER_ID, "node": "gpu-0@host-a.example", "device": "cuda:0"},
    "route": {
        "asked": "minilm",
        "arm": "candidate",
        "version": "2",
        "rule": 14,
        "rollout": 3,
        "reroutes": [{"at": _STARTED, "what": "rescue", "version": "1", "model": "minilm"}],
        "sentence": "Asked minilm, routed to minilm:2 as candidate by rule 14, rescued by minilm:1.",
    },
    "steps": [],
    "history": [{"at": AT, "what": "submit", **dict.fromkeys(_OF_AN_ATTEMPT)}],
}
_STAGES = {
    "outbox": (0.006, "It waited in the database until a relay published it."),
    "broker": (0.812, "Its message waited in the broker until a worker received it."),
    "buffer": (0.004, "It waited at gpu-0@host-a.example until its batch of 32 jobs was sealed: full."),
    "claim": (0.005, "gpu-0@host-a.example marked its batch as running and read the inputs."),
    "lane": (0.031, "Its batch waited for the device; the inputs were prepared meanwhile."),
    "run": (0.041, "The model ran its batch of 32 jobs."),
    "settle": (0.007, "The results of its batch were stored."),
}
TIMELINE = {
    "id": JOB_ID,
    "state": "succeeded",
    "model": "minilm",
    "version": "1",
    "created_at": AT,
    "finished_at": DONE,
    "seconds": 0.906,
    "cause": "priority",
    "explanation": "Of 96 jobs of minilm that were claimed before it, 64 had a higher priority.",
    "leader": None,
    "pruned": False,
    "attempts": [
        {
            "number": 1,
            "outcome": "succeeded",
            "code": None,
            "batch": _BATCH_ID,
            "worker": "gpu-0@host-a.example",
            "pruned": False,
            "stages": [
                {"stage": stage, "begin": AT, "seconds": seconds, "open": False, "sentence": sentence}
                for stage, (seconds, sentence) in _STAGES.items()
            ],
        }
    ],
}
MODEL = {
    "name": "minilm",
    "description": "Sentence embeddings.",
    "default_version": "1",
    "aliases": {"default": "1"},
    "created_at": AT,
}
VERSION = {
    "model": "minilm",
    "version": "1",
    "loader": "transformer",
    "sha256": _SHA256,
    "source": _SOURCE,
    "origin": _ORIGIN,
    "input_schema": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    },
    "output_schema": {},
    "example": {"text": "Good morning."},
    "max_batch": 64,
    "p95_goal_s": 0.5,
    "max_attempts": 3,
    "state": "staged",
    "aliases": ["default"],
    "created_at": AT,
}
