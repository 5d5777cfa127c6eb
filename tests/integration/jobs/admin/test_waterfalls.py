"""A job's page says why it took so long, and a batch's page shows its members side by side."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.test import Client as Browser
from django.utils import timezone

from jobs.admin.waterfall import MEMBERS_DRAWN
from jobs.core.states import State
from jobs.models import Batch, Job
from tests.support.admin import browser_of, text_of
from tests.support.factories import make_batch, make_jobs, make_version, make_worker


@pytest.fixture
def browser(db: str) -> Browser:
    return browser_of()


def ran(count: int) -> tuple[Batch, list[Job]]:
    """Return a batch that ran 5 s, a second ago; each job waited a second longer than the one before."""
    jobs, now = make_jobs(count), timezone.now()
    batch = make_batch(make_worker(), make_version(), jobs)
    Batch.objects.filter(pk=batch.pk).update(
        claimed_at=now - timedelta(seconds=6), finished_at=now, sealed_ago_s=0.0, claim_s=0.25, lane_s=0.25,
        ran_s=5.0, due_ago_s=[float(number) for number in range(count)], published_ago_s=[0.0] * count,
        buffered_s=[0.0] * count,
    )  # fmt: skip
    for number, job in enumerate(jobs):
        created = now - timedelta(seconds=6 + number)
        Job.objects.filter(pk=job.pk).update(state=State.SUCCEEDED, created_at=created, finished_at=now)
    return batch, jobs


def drawings(page: str) -> list[Any]:
    found = re.findall(r'<svg [^>]*role="img".*?</svg>', page, re.DOTALL)
    return [ET.fromstring(svg) for svg in found]  # noqa: S314  # our own page


def named(drawing: Any, name: str) -> list[Any]:
    return [element for element in drawing.iter() if element.tag.endswith(f"}}{name}")]


def test_a_job_s_page_names_the_cause_and_draws_every_stage(browser: Browser) -> None:
    _, (job, *_) = ran(1)
    page = text_of(browser, f"/admin/jobs/job/{job.pk}/change/")
    assert "<strong>model</strong> The model ran for 5.00 s." in page
    (drawing,) = drawings(page)
    bars = named(drawing, "rect")
    assert [named(bar, "title")[0].text.split(":")[0] for bar in bars] == [
        "outbox", "broker", "buffer", "claim", "lane", "run", "settle",
    ]  # fmt: skip
    widths = [float(bar.get("width")) for bar in bars]
    assert max(widths) == widths[5]
    assert not any("style" in element.attrib for element in drawing.iter())
    assert "It waited at gpu-0@tests until its batch of 1 job was sealed: full." in page


def test_a_job_that_waits_is_drawn_so_far(browser: Browser) -> None:
    (job,) = make_jobs(1)
    page = text_of(browser, f"/admin/jobs/job/{job.pk}/change/")
    assert "so far" in page
    assert "It waits in the database for a relay to publish it." in page


def test_a_batch_s_page_shows_its_members_side_by_side(browser: Browser) -> None:
    batch, jobs = ran(3)
    page = text_of(browser, f"/admin/jobs/batch/{batch.pk}/change/")
    (drawing,) = drawings(page)
    links = [link.get("href") for link in named(drawing, "a")]
    assert links == [f"/admin/jobs/job/{job.pk}/change/" for job in reversed(jobs)], (
        "who waited longest first"
    )


def test_a_large_batch_draws_a_part_of_its_members(browser: Browser) -> None:
    batch, _ = ran(MEMBERS_DRAWN + 3)
    page = text_of(browser, f"/admin/jobs/batch/{batch.pk}/change/")
    assert f"The {MEMBERS_DRAWN} that waited longest of {MEMBERS_DRAWN + 3}." in page


def test_batches_without_times_or_members_have_a_page(browser: Browser) -> None:
    open_ = make_batch(make_worker(), make_version(), make_jobs(2))
    assert "so far" in text_of(browser, f"/admin/jobs/batch/{open_.pk}/change/")
    Batch.objects.filter(pk=open_.pk).update(members=[])
    assert "Members side by side" in text_of(browser, f"/admin/jobs/batch/{open_.pk}/change/")
