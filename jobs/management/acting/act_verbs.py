"""The verbs of `manage.py act`; each returns the text to print."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jobs.core.acting.bulk_verbs import BulkVerb
from jobs.management.acting.act_arguments import request_of
from jobs.management.dead_letters.dead_letter_arguments import actor_of
from jobs.services.access.owner import client_id
from jobs.services.bulk_acts.act_reads import ActProgress, last_acts, read_act
from jobs.services.bulk_acts.asked_acts import selection_of
from jobs.services.bulk_acts.matching import count_matching
from jobs.services.bulk_acts.operate_many import check_states, start_bulk_act, stop_bulk_act
from jobs.services.dead_letters.replay_many import now


def begin(verb: BulkVerb, options: dict[str, Any]) -> str:
    """Start an act, or only count its jobs."""
    asked = request_of(options)
    selection = selection_of(asked, client=client_id(asked.client) if asked.client else None)
    check_states(selection, verb)
    total, more = count_matching(selection, verb, started_at=now())
    jobs = f"{'at least ' if more else ''}{total:,} job{'' if total == 1 else 's'}"
    if asked.dry_run:
        return f"{jobs} would be meant by {verb}; nothing was changed."
    act = start_bulk_act(
        verb=verb, selection=selection, rate_per_s=asked.rate_per_s, total=total, actor=actor_of(options)
    )
    return f"Act {act} has begun: {verb} of {jobs}. `manage.py act show {act}` says how far it is."


def list_acts(_options: dict[str, Any]) -> str:
    """Return a line for each of the last acts."""
    return "\n".join(map(_line, last_acts())) or "There are no acts on many jobs."


def show_act(options: dict[str, Any]) -> str:
    """Return how far one act is."""
    return _line(read_act(options["act"]))


def stop_act(options: dict[str, Any]) -> str:
    """Stop one act; what was done stays done."""
    stop_bulk_act(act=options["act"], actor=actor_of(options))
    return _line(read_act(options["act"]))


def _line(act: ActProgress) -> str:
    return (
        f"{act.id}: {act.verb}, {act.state}, {act.done:,} done and {act.failed:,} failed of {act.total:,},"
        f" at most {act.rate_per_s:g}/s, by {act.actor} at {act.created_at:%Y-%m-%d %H:%M:%S} UTC"
    )


ACT_VERBS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    **{verb.value: partial(begin, verb) for verb in BulkVerb},
    "list": list_acts,
    "show": show_act,
    "stop": stop_act,
}
