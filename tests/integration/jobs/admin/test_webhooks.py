"""An operator sees the answers to a webhook, sends it again, and enables a disabled address."""

import pytest
from django.test import Client as Browser

from jobs.core.states import State
from jobs.models import Delivery, DisabledEndpoint
from tests.support.factories import make_job

LIST, GONE = "/admin/jobs/delivery/", "/admin/jobs/disabledendpoint/"
MET = {
    "attempt": 1, "at": "2026-01-31T12:00:00Z", "epoch": 1, "status": 503, "said": "<b>busy</b>",
    "took_ms": 7.5, "state": "given_up", "again_in_s": None,
}  # fmt: skip


@pytest.fixture
def delivery(db: str) -> Delivery:
    job = make_job(state=State.SUCCEEDED)
    columns = {"state": "given_up", "attempts": 1, "history": [MET]}
    return Delivery.objects.create(job=job, client=job.client, url="https://example.org/hook", **columns)


def test_the_pages_show_the_receiver_s_answers(browser: Browser, delivery: Delivery) -> None:
    for page in (LIST, f"{LIST}{delivery.pk}/change/"):
        text = browser.get(page).content.decode()
        assert "given_up" in text
        assert "503" in text
    assert "&lt;b&gt;busy" in text


def test_a_webhook_is_sent_again_from_the_list(browser: Browser, delivery: Delivery) -> None:
    browser.post(LIST, {"action": "send", "_selected_action": [str(delivery.pk)]})
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts_before) == ("waiting", 1)
    assert delivery.due is not None


def test_an_address_is_enabled_from_the_list(browser: Browser, delivery: Delivery) -> None:
    gone = DisabledEndpoint.objects.create(client=delivery.client, url=delivery.url)
    browser.post(GONE, {"action": "enable", "_selected_action": [str(gone.pk)]})
    assert not DisabledEndpoint.objects.exists()
