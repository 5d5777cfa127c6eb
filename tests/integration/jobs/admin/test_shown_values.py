"""Values on every page of the admin: JSON as JSON, one style of times, and no word of Python's own."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from inference_site.admin_sections import OTHERS, SECTIONS, by_section, navigation
from jobs.core.states import State
from jobs.models import (
    ApiToken,
    BulkAct,
    CanaryReplay,
    Circuit,
    DeadLetter,
    Delivery,
    DisabledEndpoint,
    Event,
    Job,
    JobInput,
    JobResult,
    Outbox,
    QueueStanding,
    TrialKind,
    WebhookSecret,
    WorkPause,
)
from models_registry.models import Alias, FlagChange, Promotion, RegisteredModel, VersionLoad
from tests.support.admin import text_of
from tests.support.drift import make_drift
from tests.support.factories import make_batch, make_job, make_version, make_worker
from tests.support.flags import flag
from tests.support.shown_platform import make_autoscaler, make_experiment
from tests.support.shown_rollouts import (
    make_point,
    make_rollout,
    make_routed,
    make_rule,
    make_shadow,
    make_trial,
    note_reroute,
    numbers,
    shadow_counts,
)

RICH = {"flag": True, "none": None, "deep": [{"it's": False}], "number": 1.5}
RICH_JSON = b'{"flag": true, "none": null, "deep": [{"it\'s": false}]}'
# Python's spelling of dicts, lists, nothing and objects, as they look on a page.
REPR = re.compile(r"\{'|\['|'\]|'\}|\bNone\b|\b(?:True|False)\b|UUID\(|datetime\.|Decimal\(|<[\w.]+ object")
# A day in words, or in figures without a time and its zone. Boxes show texts of others, and no times of ours.
OTHER_STYLE = re.compile(
    r"\b(?:Jan|Feb|March|April|May|June|July|Aug|Sept|Oct|Nov|Dec)\.? \d|\b[ap]\.m\.|midnight|noon"
    r"|\d{4}-\d\d-\d\d(?! \d\d:\d\d:\d\d(?:\.\d{3})? UTC)"
)


@pytest.fixture
def rows(browser: Browser) -> list[Model]:
    """Return a row or more of every registered model, with nulls and nested JSON wherever they may be."""
    version = make_version(
        input_schema=RICH, output_schema=RICH, example=RICH, options=RICH, loader="entry_point"
    )
    jobs = [make_job(state=state) for state in State if state is not State.RUNNING]
    running = make_job()
    worker = make_worker()
    batch = make_batch(worker, version, [running])
    VersionLoad.objects.create(version=version, node=worker.node, state="loading")
    JobInput.objects.update(body=RICH_JSON, parameters=RICH_JSON, metadata=RICH_JSON)
    JobResult.objects.update(body=RICH_JSON)
    dead = next(job for job in jobs if job.state == State.DEAD)
    attempt = {"at": timezone.now().isoformat(), "epoch": 1, "kind": None, "batch": str(batch.pk)}
    DeadLetter.objects.update(history=[attempt], message="it's bad", published_at=timezone.now())
    waiting = next(job for job in jobs if job.state == State.WAITING)
    sent = {"attempt": 1, "at": timezone.now().isoformat(), "status": None, "said": "no", "again_in_s": None}
    client = dead.client
    rollout = make_rollout()
    rules = [make_rule(1, rollout, approvals=[RICH]), make_rule(2, rollout, document={"stable": "2", **RICH})]
    make_point(rollout, "start", numbers=numbers(10, 1, 100, 1, e_failures=2.0, harm_failures=0.1))
    rescued = make_routed(rollout, rule=rules[0], version=rollout.stable, epoch=2)
    note_reroute(rescued, "rescue", rollout.candidate, rollout.stable, code="it's bad")
    differences = {
        "differences": [{"job": str(rescued.pk), "distance": None}],
        "list": [RICH],
        "odd": [1],
        **RICH,
    }
    shown = shadow_counts({"job": str(rescued.pk), "distance": None})
    trials = [make_trial(rollout, kind, report=differences, spec=RICH) for kind in TrialKind]
    return [
        rollout, *rules, *trials, rescued, make_shadow(rollout), make_shadow(rollout, rule=2, counts=shown),
        *jobs, running, batch, worker, version, *Alias.objects.all(), *RegisteredModel.objects.all(),
        DeadLetter.objects.get(), Outbox.objects.get(job=waiting), client, User.objects.get(),
        Group.objects.create(name="clerks"),
        Event.objects.create(job=dead, kind="failed", actor="worker", detail=RICH),
        Event.objects.create(kind="registry", detail={}),
        Promotion.objects.create(model="echo", alias="default", after="1", actor="olga"),
        ApiToken.objects.create(client=client, digest=b"\x07" * 32, prefix="abc"),
        WebhookSecret.objects.create(client=client, sealed=b"sealed"),
        DisabledEndpoint.objects.create(client=client, url="https://gone.example/"),
        Delivery.objects.create(job=dead, client=client, url="https://a.example/", history=[sent]),
        QueueStanding.objects.create(model="echo", waiting=[3] * 10, head_age_s=[1.0] * 10),
        Circuit.objects.create(version=version, state="open", client=client.pk),
        WorkPause.objects.create(kind="model", target=1, name="echo", reason="why", actor="olga"),
        BulkAct.objects.create(verb="cancel", selection=RICH, rate_per_s=1, total=1, actor="olga"),
        make_experiment(load=RICH, settings=RICH),
        make_drift(),
        flag(when={"const": RICH}), flag("old", on=False), *FlagChange.objects.all(),
        make_autoscaler(),
        make_autoscaler("gpu2", deaths=2, paused_until=timezone.now(), ended_at=timezone.now()),
        CanaryReplay.objects.create(
            model="echo", fingerprint="x", until=timezone.now(), most=1, canary=uuid4(), state="trying",
            actor="olga",
        ),
    ]  # fmt: skip


def pages_of(rows: list[Model]) -> list[str]:
    named = {row._meta.label_lower.replace(".", "_") for row in rows}
    lists = [reverse(f"admin:{name}_changelist") for name in sorted(named)]
    return lists + [
        reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk]) for row in rows
    ]


def shown_in(page: str) -> str:
    """Return what a page says, without forms' menus and styles, its boxes apart from the text around them."""
    page = re.sub(r"<(script|style|svg|option|textarea)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", " ", page))


def around(pattern: re.Pattern[str], text: str) -> list[str]:
    """Return each match with what stands around it."""
    return [text[max(at.start() - 60, 0) : at.end() + 40] for at in pattern.finditer(text)]


def test_every_registered_model_has_rows_here(rows: list[Model]) -> None:
    assert {type(row) for row in rows} == set(admin.site._registry)


def test_no_page_shows_a_value_as_python_spells_it_or_has_a_style(
    browser: Browser, rows: list[Model]
) -> None:
    for path in pages_of(rows):
        page = text_of(browser, path)
        assert re.findall(r"<style\b|<[^>]* style=[^>]*>", page) == [], path
        text = shown_in(page)
        assert around(REPR, text) == [], path


def test_times_have_one_style_on_every_page(browser: Browser, rows: list[Model]) -> None:
    for path in pages_of(rows):
        page = re.sub(r"<pre\b.*?</pre>", " ", text_of(browser, path), flags=re.DOTALL)
        text = shown_in(page)
        assert [text[max(at.start() - 60, 0) : at.end() + 40] for at in OTHER_STYLE.finditer(text)] == [], (
            path
        )


def test_json_is_indented_and_escaped(browser: Browser, rows: list[Model]) -> None:
    act = next(row for row in rows if isinstance(row, BulkAct))
    page = text_of(browser, reverse("admin:jobs_bulkact_change", args=[act.pk]))
    assert "&quot;flag&quot;: true,\n  &quot;none&quot;: null" in page
    events = text_of(browser, reverse("admin:jobs_event_changelist"))
    assert "&quot;none&quot;: null" in events


def test_a_time_is_for_machines_too_and_has_its_age(browser: Browser, rows: list[Model]) -> None:
    assert rows
    page = text_of(browser, reverse("admin:jobs_job_changelist"))
    assert re.search(
        r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z">'
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC</time>"
        r' <span class="age">\d+ \w+ ago</span>',
        page,
    )


def test_a_list_shows_the_end_of_an_id_and_copies_the_whole(browser: Browser, rows: list[Model]) -> None:
    job = next(row for row in rows if isinstance(row, Job))
    page = text_of(browser, reverse("admin:jobs_job_changelist"))
    key = str(job.pk)
    assert f'title="{key}"><span>{key[:-12]}</span>{key[-12:]}</code></a>' in page
    assert f'data-copy="{key}"' in page
    assert page.index("column-coloured_state") < page.index("column-key")


def test_the_index_has_every_model_in_a_section_jobs_first(browser: Browser, rows: list[Model]) -> None:
    assert rows
    page: Any = browser.get("/admin/")
    sections = [section["name"] for section in page.context_data["app_list"]]
    assert sections == list(SECTIONS)
    assert OTHERS not in sections
    assert "Queues" in page.content.decode()
    for word in ("Queue standings", "Road", "Documents</h2>"):
        assert word not in page.content.decode()


def test_a_model_of_no_section_is_still_on_the_index() -> None:
    class Unknown:
        class _meta:  # noqa: N801  # as Django spells it
            label_lower = "other.thing"

    entry = {"model": Unknown, "name": "Things", "admin_url": "/x/"}
    (section,) = by_section([{"models": [entry]}])
    assert section["name"] == OTHERS
    assert section["models"] == [{**entry, "about": ""}]


def test_a_link_that_is_no_model_s_may_stand_on_the_index() -> None:
    (section,) = by_section([{"models": [{"model": None, "name": "Elsewhere", "admin_url": "/y"}]}])
    assert section["name"] == OTHERS
    assert navigation([section], "/admin/") == []


def test_a_job_s_page_has_the_glossary_s_words(browser: Browser, rows: list[Model]) -> None:
    dead = next(row for row in rows if isinstance(row, DeadLetter))
    page = text_of(browser, reverse("admin:jobs_job_change", args=[dead.pk]))
    headings = re.findall(r'class="fieldset-heading">([^<]+)<', page)
    assert headings == ["Timeline", "Payload", "Details"]
