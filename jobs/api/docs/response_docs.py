"""The description of each call's answers: their meaning, headers and examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from jobs.api.docs import (
    backtest_examples,
    bulk_act_examples,
    cascade_examples,
    drift_examples,
    examples,
    feedback_examples,
    flag_examples,
    rollout_examples,
    shadow_examples,
)
from jobs.api.docs.examples import Examples

_TEXT = {"type": "string"}
QUOTA_HEADERS = ("RateLimit-Policy", "RateLimit")
OF_BYTES = ("Content-Disposition", "Output-Meta", "Job-Id")
METERED = frozenset({"post jobs", "post jobs/bulk", "post uploads"})
_POLICY = (
    "For a client with quotas: each quota by its name, with its size (`q`), the seconds in which it refills"
    " (`w`), and `qu` where it counts bytes."
)
_REST = "For a client with quotas: what remains of each (`r`), and the seconds until it is full again (`t`)."
_HEADERS: Mapping[str, tuple[str, Mapping[str, Any], Any]] = {
    "Location": ("The address of the job: its `urls.self`.", _TEXT, examples.ACKNOWLEDGED["urls"]["self"]),  # type: ignore[index]  # of many types
    "Preference-Applied": ("The seconds that the call waits at most.", _TEXT, "wait=2"),
    "X-Request-ID": (
        "The call's own `X-Request-ID`, or a new one. Name it when you report a problem.",
        _TEXT,
        "0c7d1f9be2a74f5a8d6c3b1e9f204a57",
    ),
    "RateLimit-Policy": (_POLICY, _TEXT, '"requests";q=100;w=2'),
    "RateLimit": (_REST, _TEXT, '"requests";r=42;t=2'),
    "Retry-After": ("After how many seconds to send the call again.", {"type": "integer", "minimum": 1}, 2),
    "WWW-Authenticate": ("How to authenticate.", _TEXT, 'Bearer realm="inference"'),
    "Token-Expires": ("When the call's token ends, within two weeks of that.", _TEXT, "2026-02-07T12:00:00Z"),
    "Content-Disposition": (
        "With bytes: a name for them as a file.", _TEXT, f'attachment; filename="{examples.JOB_ID}.npy"',
    ),
    "Output-Meta": (
        "With bytes: what the model says of them, in JSON; `dtype` and `shape` if they are an array.",
        _TEXT,
        '{"dtype":"float32","shape":[384],"field":"embedding"}',
    ),
    "Job-Id": ("With bytes: the job's id.", _TEXT, examples.JOB_ID),
    "Allow": ("The methods that this address allows.", _TEXT, "GET"),
}  # fmt: skip
_OF_STATUS: Mapping[int, tuple[str, ...]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}


@dataclass(frozen=True, slots=True)
class ResponseDoc:
    """A success: its meaning, examples and headers."""

    means: str
    examples: Examples = field(default_factory=dict)
    headers: tuple[str, ...] = ()


_BEGUN = {
    202: ResponseDoc(
        "The act, which goes on by itself; or with `dry_run` the number of jobs.",
        {"it has begun": bulk_act_examples.RUNNING, "a dry run": bulk_act_examples.PREVIEW},
    )
}
_STATES = {"stage": "staged", "retire": "retired", "block": "blocked", "unblock": "staged"}
_ACTED = {
    "pause": rollout_examples.HELD,
    "resume": rollout_examples.ROLLOUT,
    "promote": rollout_examples.ROLLOUT,
    "roll_back": rollout_examples.ROLLED_BACK,
    "cancel": rollout_examples.CANCELLED,
    "approve": rollout_examples.ROLLOUT,
    "budget": rollout_examples.LARGER_BUDGET,
}
SHADOW = "models/{name}/rules/{number}/shadow"
ANSWERS: Mapping[str, Mapping[int, ResponseDoc]] = {
    "get jobs": {
        200: ResponseDoc("A page of jobs.", {"a page": examples.PAGE, "the last": examples.LAST_PAGE})
    },
    "post jobs": {
        200: ResponseDoc(
            "The job has ended already: while the call waited, with a cached result, or under the same key.",
            {"it succeeded": examples.SUCCEEDED, "a cached result": examples.CACHED, "dead": examples.DEAD},
            ("Location", "Preference-Applied", *OF_BYTES),
        ),
        202: ResponseDoc(
            "The job is accepted and stored.",
            {"it is queued": examples.ACKNOWLEDGED},
            ("Location", "Preference-Applied"),
        ),
    },
    "post jobs/bulk": {
        202: ResponseDoc("The outcome of each item, in order.", {"one of two": examples.BULK})
    },
    "post jobs/stream": {
        200: ResponseDoc(
            "The outcome of each line, in order, one a line.",
            {"one stored, one refused": examples.lines(*examples.BULK["jobs"])},  # type: ignore[misc]  # of many types
        )
    },
    "get jobs/{job_id}": {
        200: ResponseDoc(
            "The job.",
            {
                "it waits": examples.QUEUED,
                "it succeeded": examples.SUCCEEDED,
                "it is dead": examples.DEAD,
                "it expired": examples.EXPIRED,
            },
            OF_BYTES,
        )
    },
    "get jobs/{job_id}/events": {
        200: ResponseDoc(
            "A stream of events `state` and `progress`, and a last event `end` with the whole job. Their data"
            " is JSON. A comment keeps the connection alive every few seconds.",
            examples.EVENTS,
        ),
        204: ResponseDoc("`Last-Event-ID` names the last event of all: do not connect again."),
    },
    "get jobs/{job_id}/lineage": {200: ResponseDoc("The origin of the result.", {"a job": examples.LINEAGE})},
    "get jobs/{job_id}/timeline": {
        200: ResponseDoc("The job's attempts with their stages.", {"a job": examples.TIMELINE})
    },
    "post jobs/{job_id}/cancel": {200: ResponseDoc("The cancelled job.", {"cancelled": examples.CANCELLED})},
    "post jobs/{job_id}/replay": {200: ResponseDoc("The job, queued again.", {"queued": examples.QUEUED})},
    "post jobs/{job_id}/feedback": {
        201: ResponseDoc("It is stored.", {"stored": feedback_examples.STORED}),
        200: ResponseDoc("The same value was stored before.", {"stored": feedback_examples.STORED}),
    },
    "post feedback": {
        200: ResponseDoc("The outcome of each item, in order.", {"one of two": feedback_examples.OUTCOMES})
    },
    "delete jobs/{job_id}": {204: ResponseDoc("Nothing of the job's content is kept.")},
    "post erasures": {
        202: ResponseDoc(
            "The receipt of the erasure, which may go on.",
            {"it is done": examples.ERASURE, "a dry run": examples.COUNTED},
        )
    },
    "get erasures": {200: ResponseDoc("The receipts.", {"one": {"erasures": [examples.ERASURE]}})},
    "post bulk-acts/cancel": _BEGUN,
    "post bulk-acts/replay": _BEGUN,
    "post bulk-acts/discard": _BEGUN,
    "get bulk-acts": {200: ResponseDoc("The acts.", {"one": {"acts": [bulk_act_examples.FINISHED]}})},
    "get bulk-acts/{act_id}": {200: ResponseDoc("The act.", {"it runs": bulk_act_examples.RUNNING})},
    "post bulk-acts/{act_id}/stop": {
        200: ResponseDoc("The act, stopped.", {"stopped": bulk_act_examples.STOPPED})
    },
    "post uploads": {201: ResponseDoc("The file is stored.", {"a picture": examples.UPLOADED})},
    "post token/rotate": {200: ResponseDoc("The new token, shown only now.", {"a token": examples.ROTATED})},
    "get workers": {200: ResponseDoc("The workers.", {"one worker": {"workers": [examples.LIVE_WORKER]}})},
    "get models": {200: ResponseDoc("The models.", {"one model": [examples.MODEL]})},
    "get models/{name}": {200: ResponseDoc("The model.", {"a model": examples.MODEL})},
    "post models/{name}/versions": {
        201: ResponseDoc("The new version.", {"a version": examples.VERSION}),
        200: ResponseDoc("The version that was registered before.", {"a version": examples.VERSION}),
    },
    "post models/{name}/backtests": {
        202: ResponseDoc("The backtest, which a worker takes.", {"it waits": backtest_examples.WAITING})
    },
    "get backtests/{backtest_id}": {
        200: ResponseDoc(
            "The backtest.", {"it ended": backtest_examples.ENDED, "it waits": backtest_examples.WAITING}
        )
    },
    "post backtests/{backtest_id}/cancel": {
        200: ResponseDoc("The backtest.", {"it is cancelled": backtest_examples.CANCELLED})
    },
    "get backtests/{backtest_id}/report.html": {200: ResponseDoc("The page.", backtest_examples.PAGE)},
    "get models/{name}/versions": {200: ResponseDoc("Its versions.", {"one version": [examples.VERSION]})},
    **{
        f"post models/{{name}}/versions/{{version}}/{verb}": {
            200: ResponseDoc(
                "The version in its new state.", {"a version": examples.VERSION | {"state": state}}
            )
        }
        for verb, state in _STATES.items()
    },
    "get models/{name}/rules": {
        200: ResponseDoc("The rules.", {"one rule": {"rules": [rollout_examples.RULE]}})
    },
    "post models/{name}/rules": {
        201: ResponseDoc("The rule, which is in force.", {"a rule": rollout_examples.RULE})
    },
    "get models/{name}/rules/{number}/report": {
        200: ResponseDoc("The report.", {"a difference": feedback_examples.REPORT})
    },
    "get models/{name}/rules/{number}/report.html": {200: ResponseDoc("The page.", feedback_examples.PAGE)},
    "post models/{name}/rules/preview": {
        200: ResponseDoc("What the rule would decide.", {"one job": rollout_examples.PREVIEWED})
    },
    "get models/{name}/rules/{number}/cascade": {
        200: ResponseDoc("The report.", {"a cascade of digits": cascade_examples.REPORT})
    },
    "post models/{name}/rules/{number}/cascade": {
        200: ResponseDoc("The report.", {"a cascade of digits": cascade_examples.REPORT})
    },
    "get models/{name}/drift": {
        200: ResponseDoc("The drift of its versions.", {"a label drifts": drift_examples.DRIFT})
    },
    "post models/{name}/drift/reference": {
        200: ResponseDoc("The version with its reference.", {"a week": drift_examples.FROZEN})
    },
    f"get {SHADOW}": {
        200: ResponseDoc(
            "The shadow.", {"it runs": shadow_examples.RUNNING, "it stopped": shadow_examples.STOPPED}
        )
    },
    f"get {SHADOW}/report.html": {200: ResponseDoc("The page.", shadow_examples.PAGE)},
    f"get {SHADOW}/times.png": {200: ResponseDoc("The picture.", shadow_examples.PICTURE)},
    f"post {SHADOW}/stop": {200: ResponseDoc("The shadow, stopped.", {"now": shadow_examples.STOPPED})},
    f"post {SHADOW}/start": {200: ResponseDoc("The shadow, which runs.", {"now": shadow_examples.RUNNING})},
    "post models/{name}/rollouts": {
        201: ResponseDoc("The roll-out, which has begun.", {"a roll-out": rollout_examples.ROLLOUT})
    },
    "get flags": {200: ResponseDoc("The flags.", {"one": {"flags": [flag_examples.FLAG]}})},
    "get flags/{flag}": {200: ResponseDoc("The flag.", {"a flag": flag_examples.SHOWN_FLAG})},
    "put flags/{flag}": {
        200: ResponseDoc("The flag, which is in force.", {"a flag": flag_examples.SHOWN_FLAG})
    },
    "delete flags/{flag}": {
        200: ResponseDoc("The change that removed it.", {"a change": flag_examples.FLAG_REMOVED})
    },
    "post flags/{flag}/preview": {
        200: ResponseDoc("For whom the flag would be on.", {"one job": flag_examples.FLAG_PREVIEWED})
    },
    "get rollouts": {200: ResponseDoc("The roll-outs.", {"one": {"rollouts": [rollout_examples.CHANGE]}})},
    "get rollouts/{rollout_id}": {200: ResponseDoc("The roll-out.", {"it runs": rollout_examples.ROLLOUT})},
    "get rollouts/{rollout_id}/record": {
        200: ResponseDoc("The change record.", {"a record": rollout_examples.RECORD})
    },
    "get rollouts/{rollout_id}/events": {
        200: ResponseDoc(
            "A stream of events `change`, at most one a second, and a last event `end`. Their data is JSON. A"
            " comment keeps the connection alive every few seconds.",
            rollout_examples.EVENTS,
        ),
        204: ResponseDoc("`Last-Event-ID` names the last event of all: do not connect again."),
    },
    **{
        f"post rollouts/{{rollout_id}}/{verb}": {200: ResponseDoc("The roll-out.", {"now": shown})}
        for verb, shown in _ACTED.items()
    },
}


def headers(*names: str) -> dict[str, Any]:
    """Return the description of headers."""
    texts = {name: _HEADERS[name] for name in names}
    return {
        name: {"description": text, "schema": dict(schema), "example": value}
        for name, (text, schema, value) in texts.items()
    }


def headers_of(call: str, status: int) -> dict[str, Any]:
    """Return the description of the headers of one answer of a call."""
    answer = ANSWERS[call].get(status)
    names = answer.headers if answer else _OF_STATUS.get(status, ())
    metered = call in METERED and (answer is not None or status == HTTPStatus.TOO_MANY_REQUESTS)
    return headers(*names, *(QUOTA_HEADERS if metered else ()), "X-Request-ID", "Token-Expires")


def by_example(examples_: Examples) -> dict[str, Any]:
    """Return examples in the form of OpenAPI."""
    return {title: {"value": value} for title, value in examples_.items()}
