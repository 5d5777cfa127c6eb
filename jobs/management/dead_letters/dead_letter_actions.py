"""The verbs of `manage.py dead_letters`; each returns the text to print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from jobs.management.dead_letters import dead_letter_tables
from jobs.management.dead_letters.dead_letter_arguments import (
    Choice,
    actor_of,
    check_model,
    choice_of,
    filter_of,
)
from jobs.services.dead_letters import reads as dead_letters
from jobs.services.dead_letters.canary import start_replay
from jobs.services.dead_letters.discard import discard_dead_letter, discard_dead_letters
from jobs.services.dead_letters.dry_run import dry_run, dry_run_one
from jobs.services.dead_letters.edit import check_edit, replay_edited
from jobs.services.dead_letters.payload import read_payload
from jobs.services.dead_letters.purge import purge_stale
from jobs.services.dead_letters.queue_counts import queue_counts
from jobs.services.dead_letters.reads import DeadLetterDetails
from jobs.services.dead_letters.replay_many import replay_dead_letters
from jobs.services.lifecycle.replay import replay_job


def list_dead_letters(options: dict[str, Any]) -> str:
    """Return the dead-letter queues, and the groups of dead letters that match the filter."""
    groups = dead_letters.groups(filter_of(options))
    return f"{dead_letter_tables.queues(queue_counts())}\n{dead_letter_tables.groups(groups)}"


def show_dead_letter(options: dict[str, Any]) -> str:
    """Return one dead letter, with the job's input if `--input` is given."""
    dead = _dead_letter(options["job"])
    if not options["input"]:
        return dead_letter_tables.dead_letter(dead, None)
    return dead_letter_tables.dead_letter(dead, read_payload(job_id=dead.job, actor=actor_of(options)).head)


def replay(options: dict[str, Any]) -> str:
    """Replay one job, unchanged or with another input, or all that match the filter."""
    choice = choice_of(options)
    if choice.job is None:
        if options["input"]:
            raise CommandError("--input edits one job: give its id.")
        if options["same_version"]:
            raise CommandError("--same-version is for one job: give its id.")
        return _replay_many(choice, options)
    if options["rate"]:
        raise CommandError("--rate is for many jobs: give a filter or --all.")
    return _replay_one(choice.job, options)


def _replay_many(choice: Choice, options: dict[str, Any]) -> str:
    arguments: dict[str, Any] = {"selection": choice.selection, "rate": options["rate"], "most": choice.most}
    if options["dry_run"]:
        return dead_letter_tables.foreseen(dry_run(**arguments))
    if options["at_once"]:
        done = replay_dead_letters(**arguments, actor=actor_of(options))
        return f"{done:,} jobs are queued again.{_more(choice, done)}"
    started = start_replay(**arguments, actor=actor_of(options))
    taken = started.first + started.following
    return f"{started.sentence}{_more(choice, taken, following=started.following)}"


def _replay_one(job: UUID, options: dict[str, Any]) -> str:
    text = _read(options["input"]) if options["input"] else None
    if options["dry_run"]:
        return _foreseen_one(job, text)
    if text is None:
        replay_job(job_id=job, actor=actor_of(options), same_version=options["same_version"])
    else:
        replay_edited(job_id=job, actor=actor_of(options), text=text)
    return f"{job} is queued again{'' if text is None else ' with the new input'}."


def _foreseen_one(job: UUID, text: str | None) -> str:
    foreseen = dry_run_one(job_id=job)
    if text is None:
        return dead_letter_tables.foreseen(foreseen)
    edited = check_edit(job_id=job, text=text)
    return f"{job} would be queued again with {len(edited.body):,} bytes of input; nothing was changed."


def _read(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return raw.decode()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is not UTF-8: {error.reason} at byte {error.start}") from error


def discard(options: dict[str, Any]) -> str:
    """Discard one dead letter, or all that match the filter."""
    choice = choice_of(options)
    if choice.job is None:
        return _discard_many(choice, options)
    if options["dry_run"]:
        adverb = "no longer " if _dead_letter(choice.job).discarded_at else ""
        return f"{choice.job} can {adverb}be discarded; nothing was changed."
    discard_dead_letter(job_id=choice.job, actor=actor_of(options))
    return f"{choice.job} stays dead; its dead letter is discarded."


def _discard_many(choice: Choice, options: dict[str, Any]) -> str:
    if options["dry_run"]:
        count = min(dead_letters.count(choice.selection), choice.most)
        return f"{count:,} dead letters would be discarded; nothing was changed."
    done = discard_dead_letters(selection=choice.selection, actor=actor_of(options), most=choice.most)
    return f"{done:,} dead letters are discarded.{_more(choice, done)}"


def _more(choice: Choice, done: int, *, following: int = 0) -> str:
    rest = dead_letters.count(choice.selection) - following if done >= choice.most else 0
    return f" {rest:,} more match: run the command again." if rest > 0 else ""


def purge(options: dict[str, Any]) -> str:
    """Drop stale messages from a model's dead-letter queue."""
    model, is_dry = options["model"], options["dry_run"]
    check_model(model)
    counts = purge_stale(
        model=model,
        actor=actor_of(options),
        dry_run=is_dry,
        malformed_after_days=0 if options["malformed_too"] else None,
    )
    return dead_letter_tables.purged(model, counts, dry_run=is_dry)


def _dead_letter(job: UUID) -> DeadLetterDetails:
    dead = dead_letters.dead_letter(job)
    if dead is None:
        raise CommandError(f"{job} has no dead letter.")
    return dead


VERBS = {
    "list": list_dead_letters,
    "show": show_dead_letter,
    "replay": replay,
    "discard": discard,
    "purge-stale": purge,
}
