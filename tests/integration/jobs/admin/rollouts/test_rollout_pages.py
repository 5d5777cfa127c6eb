"""A page for each roll-out: the sentence, pictures with their numbers beside them, people and jobs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.test import Client as Browser
from django.utils import timezone

from jobs.admin.rollouts.curve_points import MOST_DRAWN, points_of
from jobs.models import Job, RolloutPoint
from models_registry.models import RegisteredModel, Rollout, RolloutApproval
from tests.support.admin import browser_of, text_of
from tests.support.factories import job_id, make_batch, make_worker
from tests.support.shown_rollouts import (
    SENTENCE,
    make_point,
    make_rollout,
    make_routed,
    make_rule,
    make_trial,
    note_reroute,
    numbers,
)

LIST = "/admin/models_registry/rollout/"
PICTURES = ("shares", "evidence", "errors", "latency")


@pytest.fixture
def rollout(db: str) -> Rollout:
    return make_rollout()


def page_of(rollout: Rollout) -> str:
    return f"{LIST}{rollout.pk}/change/"


def judged(rollout: Rollout) -> None:
    """Write the points of a step that was held."""
    begin = timezone.now() - timedelta(hours=1)
    make_point(rollout, "start", at=begin, actor="ann", reason="a better one", share_ppm=0, met=0)
    found = numbers(400, 12, 4_000, 40, e_failures=61.0, harm_failures=0.02, e_latency=1.5)
    for minute in range(1, 50):
        make_point(rollout, at=begin + timedelta(minutes=minute), numbers=found)
    make_point(rollout, "hold", actor="judge", share_ppm=0, met=50, numbers=found)


def timed(rollout: Rollout) -> None:
    """Store jobs of the candidate that took 2 s, and of the baseline that took 1 s."""
    batch = make_batch(make_worker(), rollout.candidate, [])
    for arm, seconds in (("candidate", 2), ("baseline", 1)):
        for _ in range(3):
            job = make_routed(rollout, arm, batch=batch)
            Job.objects.filter(pk=job.pk).update(finished_at=job.created_at + timedelta(seconds=seconds))


def cells(page: str, first: str) -> list[str]:
    """Return the cells of the table row that begins with a text."""
    row = re.search(rf"<tr><td>(?:<[^>]+>)*{re.escape(first)}.*?</tr>", page, re.DOTALL)
    assert row, first
    return [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", row.group(), re.DOTALL)]


def test_the_list_says_how_each_stands(browser: Browser, rollout: Rollout) -> None:
    page = text_of(browser, LIST)
    for shown in ("held: budget", "echo@default", "50 of 50", SENTENCE):
        assert shown in page
    assert f'href="{page_of(rollout)}"' in page
    other = make_rollout("digits", state="done", hold="", sentence="Done.")
    assert SENTENCE not in text_of(browser, f"{LIST}?state=done")
    assert f'href="{page_of(other)}"' in text_of(browser, f"{LIST}?model=digits")


def test_the_page_has_the_sentence_on_top_and_where_it_is_in_its_steps(
    browser: Browser, rollout: Rollout
) -> None:
    page = text_of(browser, page_of(rollout))
    assert page.index(SENTENCE) < page.index("Shares over time")
    assert "0 % now; step 1 of 5: 1, 5, 25, 50, 100 %" in page
    assert f"Roll-out {rollout.pk}: echo:2 at @default" in page
    assert "CHG-7" in page


def test_each_picture_is_drawn_with_its_numbers_in_a_table(browser: Browser, rollout: Rollout) -> None:
    judged(rollout)
    timed(rollout)
    page = text_of(browser, page_of(rollout))
    sources = re.findall(r'<img src="([^"]+)" alt="[^"]+; the table below has the numbers"', page)
    assert [re.search(r"/(\w+)\.svg", source)[1] for source in sources] == list(PICTURES)  # type: ignore[index]  # no match fails here
    for source in sources:
        answer: Any = browser.get(source)
        assert answer["Content-Type"] == "image/svg+xml"
        ET.fromstring(answer.content)  # noqa: S314  # of our own server
        assert b"<script" not in answer.content
    assert cells(page, "failures") == ["failures", "61", "20", "200", "+2.00 points", "keys"]
    assert cells(page, "live latency")[1:4] == ["1.5", "20", "1,000"]
    assert cells(page, "keys of the candidate judged") == ["keys of the candidate judged", "400", "4,900"]
    assert cells(page, "echo:2") == ["echo:2", "400", "12", "3.00%", "1.72% to 5.17%"]
    assert cells(page, "candidate")[:3] == ["candidate", "3", "2,000.0 ms"]
    assert cells(page, "baseline")[:3] == ["baseline", "3", "1,000.0 ms"]


def test_an_act_stands_in_the_timeline_with_who_and_why(browser: Browser, rollout: Rollout) -> None:
    judged(rollout)
    page = text_of(browser, page_of(rollout))
    acts = re.findall(r"<td>(start|hold)</td><td>([^<]*)</td>.*?<td>(ann|judge)</td>", page)
    assert acts == [("start", "0 %", "ann"), ("hold", "0 %", "judge")]
    assert page.count(SENTENCE) < 10, "looks that changed nothing are points of the curves alone"


def test_of_many_looks_as_many_as_can_be_drawn_are_read_and_all_acts(rollout: Rollout) -> None:
    act = make_point(rollout, "step").pk
    RolloutPoint.objects.bulk_create(
        RolloutPoint(rollout=rollout.pk, document={"met": met}) for met in range(2 * MOST_DRAWN + 1)
    )
    points = points_of(rollout.pk)
    assert len(points) <= MOST_DRAWN + 1
    assert points[0].key == act
    assert points[-1].met == 2 * MOST_DRAWN, "the newest look is always there"
    assert [point.key for point in points] == sorted(point.key for point in points)


def test_before_anything_is_judged_the_page_says_so_and_there_is_no_picture(
    browser: Browser, rollout: Rollout
) -> None:
    page = text_of(browser, page_of(rollout))
    assert "nothing has happened yet" in page
    assert page.count("nothing was judged yet") == 2
    assert "<img" not in page[page.index("Shares over time") :]
    for name in (*PICTURES, "nothing"):
        assert browser.get(f"{LIST}{rollout.pk}/{name}.svg").status_code == 404


def test_a_picture_has_an_address_of_its_own_for_each_point(browser: Browser, rollout: Rollout) -> None:
    judged(rollout)
    before = re.findall(r"shares\.svg\?at=\d+", text_of(browser, page_of(rollout)))
    make_point(rollout)
    assert re.findall(r"shares\.svg\?at=\d+", text_of(browser, page_of(rollout))) != before


def test_jobs_that_the_candidate_did_not_answer_are_links(browser: Browser, rollout: Rollout) -> None:
    rescued = make_routed(rollout, version=rollout.stable, epoch=2)
    note_reroute(rescued, "rescue", rollout.candidate, rollout.stable, code="ValueError")
    taken = make_routed(rollout, version=rollout.stable, epoch=2)
    note_reroute(taken, "take_back", rollout.candidate, rollout.stable)
    good, of_another = make_routed(rollout), make_routed(make_rollout("digits"), version=rollout.stable)
    note_reroute(of_another, "rescue", rollout.candidate, rollout.stable)
    page = text_of(browser, page_of(rollout))
    for job, what, code in ((rescued, "rescue", "ValueError"), (taken, "take back", "-")):
        row = re.search(rf"<tr><td><a href=\"/admin/jobs/job/{job.pk}/change/\".*?</tr>", page, re.DOTALL)
        assert row, what
        assert f"<td>{what}</td><td>{code}</td>" in row.group()
    for job in (good, of_another):
        assert str(job.pk) not in page


def test_gate_duels_and_agreement_are_shown(browser: Browser, rollout: Rollout) -> None:
    report = {"passed": True, "service_times": [{"size": 8, "candidate_s": 0.0123, "ratio": 1.02}]}
    make_trial(rollout, "gate", outcome="It is 1.02 times as slow.", report=report)
    duels = {"pairs": 640, "candidate_failed": 3, "compared": 630, "agreed": 622, "noise_compared": 64,
             "noise_agreed": 64}  # fmt: skip
    make_trial(rollout, "duel", progress={"duels": duels})
    page = text_of(browser, page_of(rollout))
    assert "It is 1.02 times as slow." in page
    assert cells(page, "passed") == ["passed", "yes"]
    assert "<td>0.0123</td>" in page
    assert cells(page, "pairs of runs") == ["pairs of runs", "640", "-"]
    agree = cells(page, "outputs that agree")
    assert agree == ["outputs that agree", "622 of 630 (98.73%)", "64 of 64 (100.00%)"]


def test_differences_lead_to_payloads_only_for_who_may_see_them(browser: Browser, rollout: Rollout) -> None:
    job = job_id()
    make_trial(rollout, "duel", report={"differences": [{"job": str(job), "distance": 0.25}]})
    link = f'href="/admin/jobs/job/{job}/change/"'
    page = text_of(browser, page_of(rollout))
    assert link in page
    assert "<td>0.25</td>" in page
    viewer = browser_of("view_rollout", "view_trial", name="vera")
    for path in (page_of(rollout), f"/admin/jobs/trial/{make_trial(rollout, 'backtest').pk}/change/"):
        assert link not in text_of(viewer, path)
    assert str(job) in text_of(viewer, page_of(rollout))


def test_approvals_say_whether_they_count(browser: Browser, rollout: Rollout) -> None:
    assert "none needed" in text_of(browser, page_of(rollout))
    RegisteredModel.objects.update(approvals=1)
    assert "1 needed, none given" in text_of(browser, page_of(rollout))
    for person, plan in (("bea", rollout.sha256), ("cid", "00" * 32)):
        RolloutApproval.objects.create(rollout=rollout, actor=person, sha256=plan)
    page = text_of(browser, page_of(rollout))
    assert cells(page, "bea")[2] == "yes"
    assert cells(page, "cid")[2] == "no: the plan has changed since"


def test_its_rules_are_diffs(browser: Browser, rollout: Rollout) -> None:
    make_rule(1, rollout, share=0.01)
    make_rule(2, rollout, share=0.05, reason="a step")
    page = text_of(browser, page_of(rollout))
    assert re.search(
        r"<strong>share</strong> <del>\N{MINUS SIGN}&nbsp;1 %</del> <ins>\+&nbsp;5 %</ins>", page
    )


def test_a_live_roll_out_renews_itself_and_an_ended_one_does_not(browser: Browser, rollout: Rollout) -> None:
    assert "page-refresh-s" in text_of(browser, page_of(rollout))
    ended = make_rollout("digits", state="rolled_back", hold="", ended_at=timezone.now())
    assert "page-refresh-s" not in text_of(browser, page_of(ended))


def test_pages_and_pictures_are_for_those_who_may_view_roll_outs(rollout: Rollout) -> None:
    judged(rollout)
    other = browser_of("view_job", "roll_out", name="jo")
    for path in (LIST, page_of(rollout), f"{LIST}{rollout.pk}/shares.svg"):
        assert other.get(path).status_code == 403


def test_registry_pages_show_state_and_roll_outs(browser: Browser, rollout: Rollout) -> None:
    model, version = rollout.model, rollout.candidate
    alias = model.aliases.get()
    for path in (f"registeredmodel/{model.pk}", f"modelversion/{version.pk}", f"alias/{alias.pk}"):
        page = text_of(browser, f"/admin/models_registry/{path}/change/")
        assert SENTENCE in page, path
        assert f'href="{page_of(rollout)}"' in page, path
    assert 'class="state state-staged"' in text_of(browser, "/admin/models_registry/modelversion/")


def test_a_job_s_page_says_how_a_rule_chose_its_version(browser: Browser, rollout: Rollout) -> None:
    rule = make_rule(14, rollout)
    job = make_routed(rollout, rule=rule, version=rollout.stable, epoch=2)
    note_reroute(job, "rescue", rollout.candidate, rollout.stable)
    page = text_of(browser, f"/admin/jobs/job/{job.pk}/change/")
    assert "Asked echo, routed to echo:2 as candidate by rule 14, rescued by echo:1." in page
    assert f'href="/admin/models_registry/rule/{rule.pk}/change/"' in page
    assert f'href="{page_of(rollout)}"' in page
