"""The verdict on a run: which invariants its history and the database at its end break. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, product

from jobs.core.states import TERMINAL, TRANSITIONS, State
from tests.chaos.records import ANY, COMPARED, FINE

LEGAL = frozenset(chain.from_iterable(product(starts, ends) for starts, ends in TRANSITIONS.values()))
SWEEPER, LIVE = "sweeper", "live"
SETTLED = frozenset({State.SUCCEEDED, State.WAITING, State.DEAD})
UNCOMPARED = "the messages in infer.<model>.dead were not compared with the dead rows: that check is off"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that the API accepted; `hurried` has a deadline, `expect` is one of records' three.

    `compared` belongs to the A/B test.
    """

    at: float
    expect: str = ANY
    hurried: bool = False
    compared: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a job's state or epoch; a new job has no `before`, a deleted one no `after`."""

    at: float
    before: str | None
    after: str | None
    epoch: int
    attempts: int
    ground: str | None = None  # on which the sweeper took it from its batch


@dataclass(frozen=True, slots=True)
class Row:
    """A job in the database; `dead_letter` is the epoch of its DeadLetter row."""

    state: str
    epoch: int
    attempts: int
    max_attempts: int
    results: int
    dead_letter: int | None = None


@dataclass(frozen=True, slots=True)
class RolledOut:
    """A roll-out at the end, and what the history says of the jobs that it routed to its candidate.

    `judged` and `failed` are the judge's counts of the candidate's first attempts; `claimed` are the claims
    of the candidate, `late` those of them that came long after it was rolled back, `jobs` the different jobs.
    """

    id: int
    state: str
    proven: bool
    budget: int
    met: int
    judged: int
    failed: int
    claimed: int
    late: int
    jobs: int
    failed_keys: int


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A shadow at the end: what became of its copies, and the `jobs` of its alias.

    `answered` are jobs that were ever of its version, `stops` the Events of the platform's stops.
    """

    rule: int
    run: int
    dropped: int
    lost: int
    open: int
    jobs: int
    answered: int
    stops: int


@dataclass(frozen=True)
class History:
    """What happened to each job, by its id and in order.

    `stored` has the epoch of each result, `failed` epoch and author of each failed attempt. `forgotten` are
    the jobs that only a lost primary knew, `said` the values of feedback that the API acknowledged.
    """

    accepted: Mapping[str, Accepted]
    changes: Mapping[str, Sequence[Change]]
    stored: Mapping[str, Sequence[int]]
    cancels: Collection[str] = frozenset()
    failed: Mapping[str, Sequence[tuple[int, str]]] = field(default_factory=dict)
    forgotten: Collection[str] = frozenset()
    said: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Dump:
    """The database and the broker at the end; no `dead_letters` (job, epoch) where these are not compared.

    `ledger` has of each batch how many successes it counts, and how many jobs succeeded under its claim.
    `moved` are jobs that changed their version without an Event that says so. `exposed` are the jobs of the
    A/B test with a Route, and whether they began at the version that it names; `feedback` is what is stored.
    `steps` says of jobs in cascades why their steps do not lead to what became of them.
    """

    rows: Mapping[str, Row]
    leftovers: Mapping[str, int] = field(default_factory=dict)
    dead_letters: Collection[tuple[str, int]] | None = None
    ledger: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    rollouts: Sequence[RolledOut] = ()
    moved: Collection[str] = ()
    exposed: Mapping[str, bool] = field(default_factory=dict)
    feedback: Mapping[str, float] = field(default_factory=dict)
    shadows: Sequence[Shadowed] = ()
    steps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant; `at` is when the job last changed, or was accepted."""

    rule: str
    detail: str
    job: str = ""
    at: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """Every violation, what was counted, and what was not checked."""

    violations: Sequence[Violation]
    counts: Mapping[str, int]
    notes: Sequence[str]


CHANGE = ("at", "before", "after", "epoch", "attempts", "ground")
FORGOTTEN = "accepted jobs that only the lost primary knew"
Check = Callable[[History, Dump], Iterator[Violation]]


def judge(history: History, dump: Dump) -> Verdict:
    violations = [violation for check in CHECKS for violation in check(history, dump)]
    notes = [UNCOMPARED] if dump.dead_letters is None else []
    return Verdict([_dated(v, history) for v in violations], _counts(history, dump), notes)


def _dated(violation: Violation, history: History) -> Violation:
    last = history.changes.get(violation.job) or ()
    job = history.accepted.get(violation.job)
    at = last[-1].at if last else job.at if job else 0.0
    return Violation(violation.rule, violation.detail, violation.job, violation.at or at)


def _counts(history: History, dump: Dump) -> dict[str, int]:
    states = Counter(row.state for row in dump.rows.values())
    unanswered = len(dump.rows.keys() - history.accepted.keys())
    moves = Counter((c.before, c.after) for changes in history.changes.values() for c in changes)
    made = {"accepted": len(history.accepted), "stored without an answer": unanswered}
    again = {
        "queued again": moves[State.RUNNING, State.QUEUED],
        "retried": moves[State.RUNNING, State.WAITING],
    }
    forgotten = len(history.accepted.keys() & set(history.forgotten))
    compared = {"jobs of the A/B test": len(dump.exposed)} if dump.exposed else {}
    rated = {"jobs with feedback": len(dump.feedback)} if dump.feedback else {}
    rolled = Counter(f"roll-outs {rollout.state}" for rollout in dump.rollouts)
    again |= {"copies run": sum(shadow.run for shadow in dump.shadows)} if dump.shadows else {}
    return (
        made
        | ({FORGOTTEN: forgotten} if history.forgotten else {})
        | again
        | compared
        | rated
        | states
        | rolled
    )


def lost(history: History, dump: Dump) -> Iterator[Violation]:
    for job in history.accepted.keys() - dump.rows.keys() - set(history.forgotten):
        yield Violation("lost", "accepted, but there is no row", job)


def stuck(_: History, dump: Dump) -> Iterator[Violation]:
    for job, row in dump.rows.items():
        if row.state not in TERMINAL:
            yield Violation("stuck", f"still {row.state}", job)


def results(history: History, dump: Dump) -> Iterator[Violation]:
    for job, epochs in history.stored.items():
        if len(epochs) > 1:
            yield Violation("doubled", f"{len(epochs)} results were stored", job)
    for job, row in dump.rows.items():
        if row.results != (row.state == State.SUCCEEDED):
            yield Violation("result", f"{row.state} with {row.results} results", job)


def verdicts(history: History, _: Dump) -> Iterator[Violation]:
    """Each verdict ended the run that its claim began: its epoch is that of the change it made."""
    for job, epochs in history.stored.items():
        changes = history.changes.get(job, ())
        ends = {change.epoch for change in changes if change.after == State.SUCCEEDED}
        for epoch in set(epochs) - ends:
            yield Violation("verdict", f"the result of epoch {epoch} ended another run", job)
    for job, failures in history.failed.items():
        ends_of = {author: {*_failures(history.changes.get(job, ()), author)} for _, author in failures}
        for epoch, author in failures:
            if epoch not in ends_of[author]:
                yield Violation("verdict", f"the failure of epoch {epoch} ended another run", job)


def _failures(changes: Iterable[Change], author: str) -> Iterator[int]:
    """Yield the epochs of the runs that `author`, a worker or the sweeper, ended as failed."""
    for change in changes:
        if change.before != State.RUNNING:
            continue
        if author == SWEEPER or change.after == State.EXPIRED:
            yield change.epoch - 1
        else:
            yield change.epoch


def reaps(history: History, _: Dump) -> Iterator[Violation]:
    """The sweeper takes no job from a worker that lives and knows of its batch."""
    for job, changes in history.changes.items():
        for change in changes:
            if change.ground == LIVE:
                detail = f"taken from a live batch: {change.before} -> {change.after} at epoch {change.epoch}"
                yield Violation("reap", detail, job, change.at)


def ledger(history: History, dump: Dump) -> Iterator[Violation]:
    """Each batch counts the jobs that succeeded under its claim.

    After a failover it may count less: the verdict of a lost claim ends the next run, which has its epoch.
    """
    for batch, (counted, succeeded) in dump.ledger.items():
        if counted > succeeded or (counted < succeeded and not history.forgotten):
            yield Violation("ledger", f"batch {batch} counts {counted} successes of {succeeded} jobs")


def transitions(history: History, dump: Dump) -> Iterator[Violation]:
    for job, changes in history.changes.items():
        yield from (Violation("transition", detail, job, at) for at, detail in _broken_steps(changes))
    for job, row in dump.rows.items():
        last = history.changes.get(job, ())[-1:]
        if [(change.after, change.epoch) for change in last] != [(row.state, row.epoch)]:
            yield Violation("transition", f"{row.state} at epoch {row.epoch}, without such a change", job)


def _broken_steps(changes: Sequence[Change]) -> Iterator[tuple[float, str]]:
    before: Change | None = None
    for change in changes:
        if wrong := _wrong(before, change):
            yield change.at, f"{change.before} -> {change.after} at epoch {change.epoch}: {wrong}"
        before = change


def _wrong(last: Change | None, change: Change) -> str:
    if change.before != (last.after if last else None):
        return f"it was {last.after if last else 'nothing'}"
    if (change.before, change.after) not in LEGAL:
        return "no transition"
    if last is None:
        return ""
    if change.epoch < last.epoch + (not _keeps_its_epoch(change)):
        return f"the epoch was {last.epoch}"
    return _miscounted(last, change)


def _keeps_its_epoch(change: Change) -> bool:
    """Return whether a verdict may do this: that of the job's run, or of a follower's leader."""
    if change.before == State.RUNNING:
        return change.after in SETTLED
    return change.after in {State.SUCCEEDED, State.DEAD}


def _miscounted(last: Change, change: Change) -> str:
    """Return how `attempts` is wrong: a claim adds 1, a replay clears, a return may subtract 1."""
    if change.after == State.RUNNING:
        right = {last.attempts + 1}
    elif last.after in TERMINAL:
        right = {0}
    else:
        right = {last.attempts, last.attempts - (change.after == State.QUEUED)}
    return "" if change.attempts in right else f"attempts went from {last.attempts} to {change.attempts}"


def attempts(history: History, dump: Dump) -> Iterator[Violation]:
    for job, row in dump.rows.items():
        most = max([row.attempts, *(change.attempts for change in history.changes.get(job, ()))])
        if most > row.max_attempts:
            yield Violation("attempts", f"{most} of at most {row.max_attempts}", job)


def ends(history: History, dump: Dump) -> Iterator[Violation]:
    """No job is cancelled without a cancel, and none without a deadline expires."""
    for job, row in dump.rows.items():
        accepted = history.accepted.get(job)
        if row.state == State.CANCELLED and job not in history.cancels:
            yield Violation("end", "cancelled without a cancel", job)
        if row.state == State.EXPIRED and accepted is not None and not accepted.hurried:
            yield Violation("end", "expired without a deadline", job)


def innocents(history: History, dump: Dump) -> Iterator[Violation]:
    """A job without a fault of its own succeeds at the first attempt that counts."""
    for job, accepted in history.accepted.items():
        if accepted.expect == ANY or accepted.hurried or job in history.cancels or job not in dump.rows:
            continue
        right = State.SUCCEEDED if accepted.expect == FINE else State.DEAD
        state = dump.rows[job].state
        if state in TERMINAL and state != right:
            yield Violation("innocent" if accepted.expect == FINE else "guilty", f"ended {state}", job)
        elif accepted.expect == FINE and _failed(history.changes.get(job, ())):
            yield Violation("innocent", "an attempt failed without a fault of the job", job)
        elif accepted.expect == FINE and dump.rows[job].attempts > 1:
            yield Violation("charged", f"{dump.rows[job].attempts} attempts, and none of them failed", job)


def _failed(changes: Iterable[Change]) -> bool:
    return any(c.before == State.RUNNING and c.after in {State.WAITING, State.DEAD} for c in changes)


def dead_letters(_: History, dump: Dump) -> Iterator[Violation]:
    for job, row in dump.rows.items():
        if row.dead_letter != (row.epoch if row.state == State.DEAD else None):
            detail = f"{row.state} at epoch {row.epoch}, DeadLetter row of {row.dead_letter}"
            yield Violation("dead letter", detail, job)
    if dump.dead_letters is None:
        return
    for job, row in dump.rows.items():
        if ((job, row.epoch) in dump.dead_letters) != (row.state == State.DEAD):
            detail = f"{row.state} at epoch {row.epoch} disagrees with its dead-letter queue"
            yield Violation("dead letter", detail, job)


def leftovers(_: History, dump: Dump) -> Iterator[Violation]:
    for what, count in dump.leftovers.items():
        if count:
            yield Violation("leftover", f"{count} in {what}")


def exposure(_: History, dump: Dump) -> Iterator[Violation]:
    """An unproven candidate meets its budget at most, and each of its claims is counted; none comes late."""
    for rollout in dump.rollouts:
        name = f"roll-out {rollout.id}"
        if not rollout.proven and rollout.met > rollout.budget:
            yield Violation("budget", f"{name} met {rollout.met} of {rollout.budget} jobs")
        if not rollout.proven and rollout.claimed != rollout.met:
            yield Violation(
                "budget", f"{name} says that it met {rollout.met} jobs, and claimed {rollout.claimed}"
            )
        if rollout.late:
            yield Violation("late", f"{rollout.late} claims of {name} long after its roll-back")


def versions(_: History, dump: Dump) -> Iterator[Violation]:
    """A job's version changes by a rescue, a take-back, a replay or a cascade's step only."""
    for job in dump.moved:
        yield Violation("version", "it changed without a rescue, take-back, replay or step", job)


def steps(_: History, dump: Dump) -> Iterator[Violation]:
    """The steps of a job in a cascade follow each other, each with an Event, and end with its result."""
    for job, detail in dump.steps.items():
        yield Violation("steps", detail, job)


def evidence(_: History, dump: Dump) -> Iterator[Violation]:
    """No first attempt is evidence twice, and none that nothing ran is."""
    for rollout in dump.rollouts:
        if rollout.judged > rollout.jobs:
            yield Violation(
                "evidence", f"roll-out {rollout.id} judged {rollout.judged} of {rollout.jobs} jobs"
            )
        if rollout.failed > rollout.failed_keys:
            detail = f"roll-out {rollout.id} counts {rollout.failed} failures of {rollout.failed_keys} inputs"
            yield Violation("evidence", detail)


def arms(history: History, dump: Dump) -> Iterator[Violation]:
    """Each accepted job of the A/B test was given to one version, and began at it."""
    for job, accepted in history.accepted.items():
        if accepted.compared and job in dump.rows and job not in dump.exposed:
            yield Violation("arm", "accepted, and there is no Route", job)
    for job, is_right in dump.exposed.items():
        if not is_right:
            yield Violation("arm", "it began at another version than its Route names", job)


def feedback(history: History, dump: Dump) -> Iterator[Violation]:
    """What was acknowledged first is stored, once; after a failover it may be lost."""
    for job, values in history.said.items():
        stored = dump.feedback.get(job)
        if len(set(values)) > 1:
            yield Violation("feedback", f"{len(set(values))} values were acknowledged", job)
        elif stored != values[0] and not (stored is None and history.forgotten):
            yield Violation("feedback", f"{values[0]} was acknowledged, and {stored} is stored", job)


def copies(_: History, dump: Dump) -> Iterator[Violation]:
    """A shadow answers no job, a job is copied once at most, and a stop loses copies."""
    for shadow in dump.shadows:
        name = f"the shadow of rule {shadow.rule}"
        made = shadow.run + shadow.dropped + shadow.lost + shadow.open
        if shadow.answered:
            yield Violation("shadow", f"{shadow.answered} jobs were of the version of {name}")
        if made > shadow.jobs:
            yield Violation("shadow", f"{name} counts {made} copies of {shadow.jobs} jobs")
        if shadow.stops > shadow.lost:
            yield Violation(
                "shadow", f"{name} was stopped {shadow.stops} times, and lost {shadow.lost} copies"
            )


CHECKS: tuple[Check, ...] = (
    lost, stuck, results, verdicts, reaps, ledger, transitions, attempts, ends, innocents, dead_letters,
    leftovers, exposure, evidence, versions, arms, feedback, copies, steps,
)  # fmt: skip


def gather(records: Iterable[Mapping[str, object]]) -> History:
    """Return the history of a file's records."""
    accepted: dict[str, Accepted] = {}
    changes: dict[str, list[Change]] = defaultdict(list)
    stored: dict[str, list[int]] = defaultdict(list)
    failed: dict[str, list[tuple[int, str]]] = defaultdict(list)
    cancels: set[str] = set()
    forgotten: set[str] = set()
    said: dict[str, list[float]] = defaultdict(list)
    for record in records:
        match record:
            case {"kind": "state", "job": str(job)}:
                changes[job].append(Change(*(record.get(name) for name in CHANGE)))  # type: ignore[arg-type]  # as the audit wrote them
            case {"kind": "result", "job": str(job), "epoch": int(epoch)}:
                stored[job].append(epoch)
            case {"kind": "failed", "job": str(job), "epoch": int(epoch), "ground": str(author)}:
                failed[job].append((epoch, author))
            case {"kind": "forgotten", "jobs": list(jobs)}:
                forgotten.update(jobs)
            case {"kind": "cancel", "job": str(job)}:
                cancels.add(job)
            case {"kind": "feedback", "job": str(job), "value": float(value)}:
                said[job].append(value)
            case {"kind": "accepted", "at": float(at), "ids": list(ids), "expects": list(expects), **fields}:
                for job, expect in zip(ids, expects, strict=True):
                    compared = fields.get("model") == COMPARED
                    accepted.setdefault(job, Accepted(at, expect, bool(fields["hurried"]), compared))
    return History(accepted, changes, stored, cancels, failed, forgotten, said)
