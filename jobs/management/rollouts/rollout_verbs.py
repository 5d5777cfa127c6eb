"""The verbs of `manage.py rollouts`; each returns the text to print, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from jobs.management.dead_letters.dead_letter_arguments import actor_of
from jobs.management.rollouts.printed import as_json
from jobs.management.rollouts.rollout_changes import changes
from jobs.services.rollouts import acts
from jobs.services.rollouts.change_record import record, record_markdown
from jobs.services.rollouts.followed import FollowedRollout
from jobs.services.rollouts.reads import RolloutView, list_rollouts, rollout_view
from jobs.services.rollouts.redrive import redrive
from jobs.services.rollouts.start import start_rollout

Options = dict[str, Any]
Lines = Iterator[str]
# What an act needs beside a reason, by its option's name.
_MORE = {"promote": "anyway", "approve": "sha256", "budget": "budget"}
_ACTS: Mapping[str, Callable[..., object]] = {
    "pause": acts.pause,
    "resume": acts.resume,
    "promote": acts.promote,
    "roll-back": acts.roll_back,
    "cancel": acts.cancel,
    "approve": acts.approve,
    "budget": acts.grant_budget,
}


def start(options: Options) -> Lines:
    """Start a roll-out."""
    names = ("model", "alias", "candidate", "plan", "reason", "ticket")
    row = start_rollout(**{name: options[name] for name in names}, actor=actor_of(options))
    yield _shown(row.pk, options)


def list_all(options: Options) -> Lines:
    """Return a line for each of the newest roll-outs."""
    views = list_rollouts(state=options["state"], model=options["model"])
    if options["json"]:
        yield as_json(views)
        return
    yield from map(_line, views)
    if not views:
        yield "There are no such roll-outs."


def show(options: Options) -> Lines:
    """Return how one roll-out stands."""
    yield _shown(options["rollout"], options)


def act(name: str, options: Options) -> Lines:
    """Act on a roll-out."""
    more = {name: options[name] for name in (_MORE.get(name),) if name}
    by = {"actor": actor_of(options), "reason": options["reason"]}
    _ACTS[name](options["rollout"], **by, **more)
    yield _shown(options["rollout"], options)


def show_record(options: Options) -> Lines:
    """Return the change record."""
    made = options["rollout"]
    yield as_json(record(made)) if options["json"] else record_markdown(made)


def redrive_one(options: Options) -> Lines:
    """Replay, or only count, the dead jobs of a candidate that was given up."""
    by = {"actor": actor_of(options), "reason": options["reason"]}
    done = redrive(options["rollout"], dry_run=not options["yes"], **by)
    if options["json"]:
        yield as_json(done._asdict())
    elif options["yes"]:
        yield f"{done.replayed:,} of {done.dead:,} dead jobs were replayed by the rule in force."
    else:
        yield f"{done.dead:,} dead jobs would be replayed by the rule in force: --yes replays them."


def watch(options: Options) -> Lines:
    """Yield a line for each change, until the roll-out has ended."""
    for now in changes(options["rollout"]):
        yield as_json(now.shown) if options["json"] else _line(now)


def _shown(rollout_id: int, options: Options) -> str:
    view = rollout_view(rollout_id)
    return as_json(view) if options["json"] else _page(view)


def _line(of: RolloutView | FollowedRollout) -> str:
    share = of.share if isinstance(of, RolloutView) else of.shown["share"]
    state = f"{of.state} ({of.hold})" if of.hold else of.state
    met = f"{of.met:,} met" if of.proven else f"{of.met:,} of {of.budget:,} met"
    return f"{of.id}: {of.model}:{of.candidate} at {of.alias}, {state}, {share:.2%}, {met}. {of.sentence}"


def _page(view: RolloutView) -> str:
    given = ", ".join(one["actor"] for one in view.approvals) or "none"
    lines = [
        _line(view),
        f"stable     {view.model}:{view.stable}",
        f"step       {view.step + 1} of {len(view.steps)}: {', '.join(f'{step:.2%}' for step in view.steps)}",
        f"by         {view.actor} at {view.created_at:%Y-%m-%d %H:%M:%S} UTC",
        f"reason     {view.reason or 'none given'}",
        f"ticket     {view.ticket or 'none'}",
        f"approvals  {view.approvals_required} required; {given}",
        f"plan       {view.sha256}",
    ]
    return "\n".join(lines)


ROLLOUT_VERBS: Mapping[str, Callable[[Options], Lines]] = {
    "start": start,
    "list": list_all,
    "show": show,
    **{name: partial(act, name) for name in _ACTS},
    "record": show_record,
    "redrive": redrive_one,
    "watch": watch,
}
