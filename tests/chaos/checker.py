"""The verdict: what a run's history and the database after it say of the invariants. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, product

from jobs.core.states import TERMINAL, TRANSITIONS, State
from tests.chaos.records import ANY, FINE

LEGAL = frozenset(chain.from_iterable(product(starts, ends) for starts, ends in TRANSITIONS.values()))
SETTLED = frozenset({State.SUCCEEDED, State.WAITING, State.DEAD})
LETTERS_OFF = "letters in infer.<model>.dead were not compared with the dead rows: that check is off"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that was answered 202; `hurried` has a deadline, `expect` is one of records' three."""

    at: float
    expect: str = ANY
    hurried: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A job's state or epoch changed; no `before` where it was made, no `after` where it was deleted."""

    at: float
    before: str | None
    after: str | None
    epoch: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Row:
    """A job as the database has it; `letter` is the epoch of its DeadLetter row."""

    state: str
    epoch: int
    attempts: int
    max_attempts: int
    results: int
    letter: int | None = None


@dataclass(frozen=True)
class History:
    """What happened: by job id, in order."""

    accepted: Mapping[str, Accepted]
    changes: Mapping[str, Sequence[Change]]
    stored: Mapping[str, int]
    cancels: Collection[str] = frozenset()


@dataclass(frozen=True)
class Dump:
    """The database and the broker at the end; no `letters` (job, epoch) where they are not compared."""

    rows: Mapping[str, Row]
    leftovers: Mapping[str, int] = field(default_factory=dict)
    letters: Collection[tuple[str, int]] | None = None


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


Check = Callable[[History, Dump], Iterator[Violation]]


def judge(history: History, dump: Dump) -> Verdict:
    found = [violation for check in CHECKS for violation in check(history, dump)]
    notes = [LETTERS_OFF] if dump.letters is None else []
    return Verdict([_dated(v, history) for v in found], _counts(history, dump), notes)


def _dated(violation: Violation, history: History) -> Violation:
    last = history.changes.get(violation.job) or ()
    known = history.accepted.get(violation.job)
    at = last[-1].at if last else known.at if known else 0.0
    return Violation(violation.rule, violation.detail, violation.job, violation.at or at)


def _counts(history: History, dump: Dump) -> dict[str, int]:
    states = Counter(row.state for row in dump.rows.values())
    unanswered = len(dump.rows.keys() - history.accepted.keys())
    moves = Counter((c.before, c.after) for changes in history.changes.values() for c in changes)
    made = {"accepted": len(history.accepted), "stored without an answer": unanswered}
    again = {"taken back": moves[State.RUNNING, State.QUEUED], "retried": moves[State.RUNNING, State.WAITING]}
    return made | again | states


def lost(history: History, dump: Dump) -> Iterator[Violation]:
    for job in history.accepted.keys() - dump.rows.keys():
        yield Violation("lost", "accepted, and there is no row", job)


def stuck(_: History, dump: Dump) -> Iterator[Violation]:
    for job, row in dump.rows.items():
        if row.state not in TERMINAL:
            yield Violation("stuck", f"still {row.state}", job)


def results(history: History, dump: Dump) -> Iterator[Violation]:
    for job, times in history.stored.items():
        if times > 1:
            yield Violation("doubled", f"{times} results were stored", job)
    for job, row in dump.rows.items():
        if row.results != (row.state == State.SUCCEEDED):
            yield Violation("result", f"{row.state} with {row.results} results", job)


def transitions(history: History, dump: Dump) -> Iterator[Violation]:
    for job, changes in history.changes.items():
        yield from (Violation("transition", detail, job, at) for at, detail in _broken_steps(changes))
    for job, row in dump.rows.items():
        last = history.changes.get(job, ())[-1:]
        if [(change.after, change.epoch) for change in last] != [(row.state, row.epoch)]:
            yield Violation("transition", f"{row.state} at epoch {row.epoch}, and no change said so", job)


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
        return "no verb does that"
    if last is None:
        return ""
    if change.epoch < last.epoch + (not _keeps_its_epoch(change)):
        return f"the epoch was {last.epoch}"
    return _miscounted(last, change)


def _keeps_its_epoch(change: Change) -> bool:
    """Say whether a verdict may do this: its own run's, or for a follower its leader's."""
    if change.before == State.RUNNING:
        return change.after in SETTLED
    return change.after in {State.SUCCEEDED, State.DEAD}


def _miscounted(last: Change, change: Change) -> str:
    """Say how `attempts` went wrong: a claim adds one, a replay clears, a way back may un-charge."""
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
    """Nobody is cancelled who was not asked for, and nobody expires who has no deadline."""
    for job, row in dump.rows.items():
        known = history.accepted.get(job)
        if row.state == State.CANCELLED and job not in history.cancels:
            yield Violation("end", "cancelled, and nobody asked for it", job)
        if row.state == State.EXPIRED and known is not None and not known.hurried:
            yield Violation("end", "expired without a deadline", job)


def innocents(history: History, dump: Dump) -> Iterator[Violation]:
    """Whoever asks for nothing wrong succeeds at the first attempt that counts."""
    for job, known in history.accepted.items():
        if known.expect == ANY or known.hurried or job in history.cancels or job not in dump.rows:
            continue
        wanted = State.SUCCEEDED if known.expect == FINE else State.DEAD
        state = dump.rows[job].state
        if state in TERMINAL and state != wanted:
            yield Violation("innocent" if known.expect == FINE else "guilty", f"ended {state}", job)
        elif known.expect == FINE and _failed(history.changes.get(job, ())):
            yield Violation("innocent", "an attempt failed that asked for nothing wrong", job)
        elif known.expect == FINE and dump.rows[job].attempts > 1:
            yield Violation("charged", f"{dump.rows[job].attempts} attempts, and none of them failed", job)


def _failed(changes: Iterable[Change]) -> bool:
    return any(c.before == State.RUNNING and c.after in {State.WAITING, State.DEAD} for c in changes)


def letters(_: History, dump: Dump) -> Iterator[Violation]:
    for job, row in dump.rows.items():
        if row.letter != (row.epoch if row.state == State.DEAD else None):
            yield Violation(
                "letter", f"{row.state} at epoch {row.epoch}, DeadLetter row of {row.letter}", job
            )
    if dump.letters is None:
        return
    for job, row in dump.rows.items():
        if ((job, row.epoch) in dump.letters) != (row.state == State.DEAD):
            yield Violation("letter", f"{row.state} at epoch {row.epoch} disagrees with its dead queue", job)


def leftovers(_: History, dump: Dump) -> Iterator[Violation]:
    for what, count in dump.leftovers.items():
        if count:
            yield Violation("leftover", f"{count} in {what}")


CHECKS: tuple[Check, ...] = (
    lost, stuck, results, transitions, attempts, ends, innocents, letters, leftovers,
)  # fmt: skip


def gather(records: Iterable[Mapping[str, object]]) -> History:
    """Return the history that a file's records tell."""
    accepted: dict[str, Accepted] = {}
    changes: dict[str, list[Change]] = defaultdict(list)
    stored: Counter[str] = Counter()
    cancels: set[str] = set()
    for record in records:
        match record:
            case {"kind": "state", "at": float(at), "job": str(job), **said}:
                changes[job].append(Change(at, *(said[n] for n in ("before", "after", "epoch", "attempts"))))  # type: ignore[arg-type]  # as the audit wrote them
            case {"kind": "result", "job": str(job)}:
                stored[job] += 1
            case {"kind": "cancel", "job": str(job)}:
                cancels.add(job)
            case {"kind": "accepted", "at": float(at), "ids": list(ids), "expects": list(expects), **said}:
                for job, expect in zip(ids, expects, strict=True):
                    accepted.setdefault(job, Accepted(at, expect, bool(said["hurried"])))
    return History(accepted, changes, stored, cancels)
