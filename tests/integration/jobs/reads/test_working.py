"""What the database says of the relay and the workers of a host."""

from __future__ import annotations

from datetime import timedelta
from socket import gethostname

import pytest
import sqlalchemy as sa
from django.db.models.functions import Now

from jobs.db.leases import RELAY, HeldLeases
from jobs.models import LeaseHolder, Worker
from jobs.services.reads.working import relay_work, worker_work
from models_registry.services import note_load_failure
from tests.support.factories import make_version, make_worker

NODE = "gpu-0@here"


def test_a_relay_works_where_it_renews_and_every_queue_is_fed(session: sa.Connection) -> None:
    make_version("echo")
    make_version("other")
    assert relay_work(gethostname()) == (False, ["echo", "other"])
    holder = HeldLeases(session, RELAY)
    assert holder.divide(["echo", "other"], ()) == {"echo", "other"}
    assert relay_work(gethostname()) == (True, [])
    assert relay_work("another") == (False, [])
    holder.release("queue:other")
    assert relay_work(gethostname()) == (True, ["other"])
    LeaseHolder.objects.update(expires_at=Now() - timedelta(seconds=1))
    assert relay_work(gethostname()) == (False, ["echo", "other"])


@pytest.mark.usefixtures("db")
def test_a_worker_works_where_it_beats_and_names_what_it_cannot_load() -> None:
    assert worker_work(NODE) is None
    worker = make_worker(NODE)
    make_worker("gpu-1@here")
    assert worker_work(NODE) == (True, ["echo"], [])
    version = make_version("broken")
    note_load_failure(node=NODE, version=version.id, reason="no such file")
    assert worker_work(NODE) == (True, ["echo"], ["broken:1: no such file"])
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=Now() - timedelta(seconds=20))
    found = worker_work(NODE)
    assert found is not None
    assert not found.beats
    Worker.objects.filter(pk=worker.pk).update(ended_at=Now())
    assert worker_work(NODE) is None
