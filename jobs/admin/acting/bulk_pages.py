"""Acts on all jobs that match: the page that shows how many, and the form that starts one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from django import forms
from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from jobs.admin.acting.search_form import SearchForm, menus_are_usable
from jobs.admin.job_search import JobSearch
from jobs.admin.rights import may_act, require
from jobs.core.acting.bulk_verbs import FASTEST_PER_S, SLOWEST_PER_S, BulkVerb
from jobs.core.acting.job_selection import JobSelection
from jobs.core.errors import PlatformError
from jobs.core.states import State
from jobs.services.bulk_acts.matching import count_matching
from jobs.services.bulk_acts.operate_many import start_bulk_act
from jobs.services.dead_letters.replay_many import now
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_readonly import ReadOnlyAdmin

ACT_PAGE = "admin:jobs_bulkact_change"
DEFAULT_PER_S = 100
SALT, SEEN_S = "bulk-act", 3_600


class Preview(msgspec.Struct, frozen=True):
    """What a person was shown: the jobs, none of which came or died later, and how many they were."""

    verb: BulkVerb
    selection: JobSelection
    total: int


class RateForm(forms.Form):
    """How fast, and what a person was shown: the act is for these jobs, whatever the filters mean by then."""

    rate = forms.FloatField(
        min_value=SLOWEST_PER_S, max_value=FASTEST_PER_S, initial=DEFAULT_PER_S, label="Jobs a second",
        widget=forms.NumberInput(attrs={"step": "any"}),
    )  # fmt: skip
    seen = forms.CharField(widget=forms.HiddenInput)

    def clean_seen(self) -> Preview:
        """Return the preview; an error where it is old, of another act, or was not made by this site."""
        try:
            text = signing.loads(self.cleaned_data["seen"], salt=SALT, max_age=SEEN_S)
            return msgspec.json.decode(text, type=Preview)
        except (signing.BadSignature, msgspec.DecodeError):
            raise forms.ValidationError("The number was old: this is a new one.") from None


@dataclass(frozen=True, slots=True)
class BulkPage:
    """An act on all rows of a list: `read` makes the selection of the list's query, None if unusable."""

    verb: BulkVerb
    read: Callable[[QueryDict], JobSelection | None]
    back: str


def jobs_selected(query: QueryDict) -> JobSelection | None:
    """Return the selection of the list of jobs' query; None where any part of it is unusable."""
    form = SearchForm(query)
    plain = {key: str(value) for key, value in query.items()}
    if not form.is_valid() or not menus_are_usable(plain):
        return None
    search = JobSearch.from_query(plain).narrowed(form.cleaned_data)
    since_ms = search.since_ms(int(timezone.now().timestamp() * 1_000))
    model, field, value = search.label or (None, None, None)
    return JobSelection(
        state=search.state, model=model or search.model or None, version=search.version, client=search.client,
        priority=search.priority, kind=search.kind or None, code=search.code or None,
        since=datetime.fromtimestamp(since_ms / 1_000, UTC) if since_ms else None,
        until=search.until, field=field, value=value,
    )  # fmt: skip


def bulk_page(request: HttpRequest, *, admin: ReadOnlyAdmin, page: BulkPage) -> HttpResponse:
    """Show how many jobs match; start the act where the POST confirms."""
    require(admin, request, can=may_act(request))
    selection = page.read(request.GET)
    if selection is None or not selection.states_for(page.verb):
        states = ", ".join(page.verb.states)
        messages.error(
            request, f"Choose filters that can be read, and a state that {page.verb} applies to: {states}."
        )
        return redirect(page.back)
    form = RateForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid() and form.cleaned_data["seen"].verb is page.verb:
        return _started(request, page, form)
    return TemplateResponse(
        request, "admin/jobs/bulkact/start.html", _context(request, admin, page, selection, form)
    )


def _started(request: HttpRequest, page: BulkPage, form: RateForm) -> HttpResponse:
    seen: Preview = form.cleaned_data["seen"]
    try:
        act = start_bulk_act(
            verb=seen.verb, selection=seen.selection, rate_per_s=form.cleaned_data["rate"],
            total=seen.total, actor=request.user.get_username(),
        )  # fmt: skip
    except PlatformError as error:
        messages.error(request, str(error))
        return redirect(page.back)
    messages.success(request, "It has begun, and goes on by itself; this page shows how far it is.")
    return redirect(ACT_PAGE, act)


def _context(
    request: HttpRequest, admin: ReadOnlyAdmin, page: BulkPage, selection: JobSelection, form: RateForm
) -> dict[str, Any]:
    at = now()
    total, is_more = count_matching(selection, page.verb, started_at=at)
    preview = Preview(page.verb, selection.by(at), total)
    shown = [(name.replace("_", " "), _shown(selection, name)) for name in selection.without_content()]
    return {
        **admin.admin_site.each_context(request),
        "title": f"{page.verb.capitalize()} all that match",
        "opts": admin.opts,
        "verb": page.verb,
        "narrowed": shown + ([("value", selection.value)] if selection.value else []),
        "states": ", ".join(selection.states_for(page.verb)),
        "total": total,
        "is_more": is_more,
        "form": form,
        "seen": signing.dumps(msgspec.json.encode(preview).decode(), salt=SALT),
        "list": page.back,
    }


def _shown(selection: JobSelection, name: str) -> Any:
    value = getattr(selection, name)
    return moment(value) if isinstance(value, datetime) else value


def all_links(request: HttpRequest) -> dict[str, str]:
    """Return the addresses of the acts that the list of jobs offers this user for its filters."""
    if not may_act(request) or not menus_are_usable({key: str(value) for key, value in request.GET.items()}):
        return {}
    state = JobSearch.from_query({key: str(value) for key, value in request.GET.items()}).state
    query = request.GET.urlencode()
    offered = [verb for verb in (BulkVerb.CANCEL, BulkVerb.REPLAY) if _offers(verb, state)]
    return {verb.value: f"all/{verb}/?{query}" for verb in offered}


def _offers(verb: BulkVerb, state: State | None) -> bool:
    return state in verb.states if state is not None else verb is BulkVerb.CANCEL
