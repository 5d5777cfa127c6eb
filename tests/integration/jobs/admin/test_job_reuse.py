"""A job's page names the job whose run answers it."""

from collections.abc import Iterator
from threading import Event

import pytest
import sqlalchemy as sa
from django.test import Client as Browser
from django.utils.html import strip_tags

from jobs.db.session import open_session
from jobs.services.reuse.follower_settler import FollowerSettler
from jobs.services.submission.submitted import Submitted
from tests.support.reuse import shared_version, submit
from tests.support.worker import settle_due


@pytest.fixture
def session(db: str) -> Iterator[sa.Connection]:
    shared_version()
    with open_session() as session:
        yield session


def page(browser: Browser, job: Submitted) -> str:
    """Return the job's page, its tags dropped."""
    return strip_tags(browser.get(f"/admin/jobs/job/{job.id}/change/").content.decode())


def test_a_page_names_the_job_that_it_follows_or_is_answered_by(
    browser: Browser, session: sa.Connection
) -> None:
    leader, follower = submit(), submit()
    assert f"follows job {leader.id}" in page(browser, follower)
    assert "1 identical jobs follow it" in page(browser, leader)
    settle_due(session)
    FollowerSettler(stop=Event()).step(session, [f"job:{leader.id}"])
    assert f"followed job {leader.id}" in page(browser, follower)
    assert f"answered from the cache of job {leader.id}" in page(browser, submit())
    assert "identical jobs" not in page(browser, leader)


def test_a_page_links_to_that_job(browser: Browser, session: sa.Connection) -> None:
    leader, follower = submit(), submit()
    html = browser.get(f"/admin/jobs/job/{follower.id}/change/").content.decode()
    assert f'<a href="/admin/jobs/job/{leader.id}/change/">' in html
