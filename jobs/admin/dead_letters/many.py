"""One page for actions on many dead letters: it shows what would happen, and does it once confirmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.admin.dead_letters.forms import FILTERS, ManyForm
from jobs.admin.dead_letters.listing import grouped
from jobs.admin.rights import may_act, may_see, require
from jobs.core.errors import PlatformError
from jobs.core.operations import amounts
from jobs.services.dead_letters import reads as dead_letters
from jobs.services.dead_letters.canary import start_replay
from jobs.services.dead_letters.discard import discard_dead_letters
from jobs.services.dead_letters.dry_run import DryRun, dry_run
from jobs.services.dead_letters.replay_many import replay_dead_letters
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_readonly import ReadOnlyAdmin

LIST = "admin:jobs_deadletter_changelist"
CHECKED_JOBS = 1_000
GROUPS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Done:
    """How many dead letters an action took, `following` of them later, and what happened, as a sentence."""

    count: int
    sentence: str
    following: int = 0


@dataclass(frozen=True, slots=True)
class Act:
    """An action on many dead letters: its verb, and the service that does it."""

    verb: str
    run: Callable[[ManyForm, str], Done]


def _replay(form: ManyForm, actor: str) -> Done:
    arguments: dict[str, Any] = {"selection": form.selection(), "rate": form.rate_per_s, "most": form.most}
    if form.cleaned_data["at_once"]:
        count = replay_dead_letters(**arguments, actor=actor)
        return Done(count, f"{count:,} queued again{_paced(form, count)}.")
    started = start_replay(**arguments, actor=actor)
    return Done(started.first + started.following, started.sentence, started.following)


def _discard(form: ManyForm, actor: str) -> Done:
    count = discard_dead_letters(selection=form.selection(), actor=actor, most=form.most)
    return Done(count, f"{count:,} discarded.")


REPLAY = Act("replay", _replay)
DISCARD = Act("discard", _discard)


def many(request: HttpRequest, *, admin: ReadOnlyAdmin, act: Act) -> HttpResponse:
    """Show what `act` would do to the form's dead letters; do it where the POST confirms."""
    require(admin, request, can=may_act(request))
    form = ManyForm(request.POST if request.method == "POST" else request.GET)
    if form.is_valid() and "confirm" in request.POST:
        return _done(request, form, act)
    return TemplateResponse(
        request, "admin/jobs/deadletter/confirm.html", _context(request, admin, form, act)
    )


def _done(request: HttpRequest, form: ManyForm, act: Act) -> HttpResponse:
    try:
        done = act.run(form, request.user.get_username())
    except PlatformError as error:
        messages.error(request, str(error))
        return redirect(LIST)
    messages.success(request, done.sentence)
    rest = dead_letters.count(form.selection()) - done.following if done.count >= form.most else 0
    if rest > 0:
        matching = amounts.things(rest, "more dead letter matches", "more dead letters match")
        messages.warning(request, f"{matching}: repeat this for the rest.")
    return redirect(LIST)


def _paced(form: ManyForm, count: int) -> str:
    rate = form.rate_per_s
    return f", the last due in {(count - 1) / rate:,.0f} s" if rate and count > 1 else ""


def _context(request: HttpRequest, admin: ReadOnlyAdmin, form: ManyForm, act: Act) -> dict[str, Any]:
    return {
        **admin.admin_site.each_context(request),
        **(_foreseen(form, act, quoting=may_see(request)) if form.is_valid() else {"picked": 0}),
        "title": f"{act.verb.capitalize()} dead letters",
        "opts": admin.opts,
        "act": act,
        "form": form,
        "hidden": [form[name] for name in (*FILTERS, "job")],
        "questions": [form["rate"], form["limit"], form["at_once"]] if act is REPLAY else [form["limit"]],
        "may_see": may_see(request),
        "back": reverse(LIST),
    }


def _foreseen(form: ManyForm, act: Act, *, quoting: bool) -> dict[str, Any]:
    selection = form.selection()
    picked = len(selection.jobs or ())
    return {
        "foreseen": _dry_run(form, act),
        "picked": picked,
        **({} if picked else grouped(selection, most=GROUPS_SHOWN, quoting=quoting)),
        "narrowed": [
            (form[name].label, _plain(value)) for name in FILTERS if (value := form.cleaned_data[name])
        ],
        "is_all": not any((selection.model, selection.kind, selection.fingerprint, selection.since, picked)),
    }


def _plain(value: str | datetime) -> str:
    return moment(value) if isinstance(value, datetime) else value


def _dry_run(form: ManyForm, act: Act) -> DryRun:
    checked = CHECKED_JOBS if act is REPLAY else 0
    return dry_run(selection=form.selection(), rate=form.rate_per_s, most=form.most, checked=checked)
