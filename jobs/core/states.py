"""The states of a job and every way from one to another; a statement that writes a state takes it from here.

submit ──► queued ──claim──► running ──settle──► succeeded | dead
             ▲  ▲              │  │
             │  └─release,reap─┤  └──settle──► waiting ──claim──► running
             │  └─rescue,escal.┘
             └─replay── dead | cancelled | expired

Four verbs also change the job's version: `rescue` lets the stable version answer what a candidate could
not, `take_back` does so for jobs that a candidate has not claimed yet, `escalate` sends a job to the next
step of its cascade, and `degrade` lets the answer of the step before stand where that step cannot answer. A
replay may, too.

The same in full, one line a verb; `none` is no row yet, and a test holds these lines and the table together:

    submit:  none -> queued
    answer:  none, queued -> succeeded
    claim:   queued, waiting -> running
    settle:  running -> succeeded, waiting, dead
    release: running -> queued
    reap:    running -> queued
    refuse:  queued, waiting -> dead
    cancel:  queued, waiting, running -> cancelled
    expire:  queued, waiting, running -> expired
    replay:  dead, cancelled, expired -> queued
    rescue:  running -> queued
    take_back: queued, waiting -> queued
    escalate: running -> queued
    degrade: queued, waiting, running -> succeeded
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The state of a job; the value is stored in Postgres and shown by the API."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Verb(StrEnum):
    """What moves a job from one state to another."""

    SUBMIT = "submit"
    ANSWER = "answer"
    CLAIM = "claim"
    SETTLE = "settle"
    RELEASE = "release"
    REAP = "reap"
    REFUSE = "refuse"
    CANCEL = "cancel"
    EXPIRE = "expire"
    REPLAY = "replay"
    RESCUE = "rescue"
    TAKE_BACK = "take_back"
    ESCALATE = "escalate"
    DEGRADE = "degrade"


_LIVE = frozenset({State.QUEUED, State.WAITING, State.RUNNING})
_PENDING = frozenset({State.QUEUED, State.WAITING})

# (verb, states it may start from (None: no row yet), states it may end in)
TRANSITIONS: dict[Verb, tuple[frozenset[State | None], frozenset[State]]] = {
    Verb.SUBMIT: (frozenset({None}), frozenset({State.QUEUED})),
    Verb.ANSWER: (frozenset({None, State.QUEUED}), frozenset({State.SUCCEEDED})),
    Verb.CLAIM: (frozenset(_PENDING), frozenset({State.RUNNING})),
    Verb.SETTLE: (
        frozenset({State.RUNNING}),
        frozenset({State.SUCCEEDED, State.WAITING, State.DEAD}),
    ),
    Verb.RELEASE: (frozenset({State.RUNNING}), frozenset({State.QUEUED})),
    Verb.REAP: (frozenset({State.RUNNING}), frozenset({State.QUEUED})),
    Verb.REFUSE: (frozenset(_PENDING), frozenset({State.DEAD})),
    Verb.CANCEL: (frozenset(_LIVE), frozenset({State.CANCELLED})),
    Verb.EXPIRE: (frozenset(_LIVE), frozenset({State.EXPIRED})),
    Verb.REPLAY: (
        frozenset({State.DEAD, State.CANCELLED, State.EXPIRED}),
        frozenset({State.QUEUED}),
    ),
    Verb.RESCUE: (frozenset({State.RUNNING}), frozenset({State.QUEUED})),
    Verb.TAKE_BACK: (frozenset(_PENDING), frozenset({State.QUEUED})),
    Verb.ESCALATE: (frozenset({State.RUNNING}), frozenset({State.QUEUED})),
    Verb.DEGRADE: (frozenset(_LIVE), frozenset({State.SUCCEEDED})),
}

TERMINAL = frozenset(State) - _LIVE

CELERY_STATES: dict[State, str] = {
    State.QUEUED: "PENDING",
    State.RUNNING: "STARTED",
    State.WAITING: "RETRY",
    State.SUCCEEDED: "SUCCESS",
    State.DEAD: "FAILURE",
    State.CANCELLED: "REVOKED",
    State.EXPIRED: "REVOKED",
}


def sources(verb: Verb) -> list[str]:
    """Return the values of the states that `verb` may start from, sorted, for a query."""
    return sorted(state.value for state in TRANSITIONS[verb][0] if state is not None)


def target(verb: Verb) -> State:
    """Return the one state `verb` ends in; ValueError where it may end in several."""
    (only,) = TRANSITIONS[verb][1]
    return only
