"""A stranger in the same database neither hears the channels nor is heard on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest
import sqlalchemy as sa

from jobs.core import channels
from jobs.db.listen_loop import ListenLoop
from jobs.services.lifecycle.cancel import cancel_job
from tests.support.factories import make_client, make_job
from tests.support.listening import listening
from tests.support.wait import wait_until

NAMES = [value for name, value in vars(channels).items() if name.isupper() and name != "EVERY_QUEUE"]
BARE = re.compile(r"pg_notify\((?!jobs_channel\()")
ROOT = Path(__file__).parents[4]


class Listener(ListenLoop):
    channels = (channels.SETTLED,)

    def __init__(self, *, stop: Event) -> None:
        super().__init__(stop=stop)
        self.heard, self.ready = list[str](), Event()

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002
        self.heard += payloads
        self.ready.set()


def test_a_session_that_listens_on_every_known_name_hears_nothing(db: str) -> None:
    job = make_job(client=make_client("victim"))
    with psycopg.connect(db, autocommit=True) as stranger:
        for name in NAMES:
            stranger.execute(f"LISTEN {name}".encode())
        with listening(db) as payloads:
            cancel_job(job_id=job.pk, actor="victim")
        assert payloads == [f"job:{job.pk}"]
        assert list(stranger.notifies(timeout=0.2)) == []


def test_a_forged_notification_reaches_no_loop(db: str) -> None:
    stop = Event()
    loop = Listener(stop=stop)
    thread = Thread(target=loop.run)
    thread.start()
    try:
        assert loop.ready.wait(10)
        with psycopg.connect(db, autocommit=True) as stranger:
            for name in (channels.SETTLED, f"{channels.SETTLED}_{'0' * 32}"):
                stranger.execute("SELECT pg_notify(%s, 'job:forged')", (name,))
            stranger.execute("SELECT pg_notify(jobs_channel(%s), 'job:ours')", (channels.SETTLED,))
        wait_until(lambda: "job:ours" in loop.heard)
        assert loop.heard == ["job:ours"]
    finally:
        stop.set()
        thread.join()


def test_no_statement_notifies_a_channel_by_its_bare_name() -> None:
    sources = {path: path.read_text() for path in (ROOT / "jobs").rglob("*.py")}
    assert {str(path): BARE.findall(text) for path, text in sources.items() if BARE.search(text)} == {}
    assert BARE.search("SELECT pg_notify(%(channel)s, '')")
    advisory = [str(path) for path, text in sources.items() if "pg_advisory" in text or "pg_try_adv" in text]
    assert advisory == [], "any role of the database could take the same lock"


def test_each_channel_s_name_ends_in_the_database_s_secret(db: str) -> None:
    with psycopg.connect(db) as connection:
        names = {connection.execute("SELECT jobs_channel(%s)", [name]).fetchall()[0][0] for name in NAMES}
    assert len(names) == len(NAMES)
    assert all(re.fullmatch(r"jobs_[a-z]+_[0-9a-f]{32}", name) for name in names)
    assert len({name[-32:] for name in names}) == 1


def test_a_role_without_rights_cannot_make_a_name(db: str) -> None:
    with psycopg.connect(db) as console:
        console.execute("CREATE ROLE stranger NOLOGIN")
        console.execute("GRANT USAGE ON SCHEMA public TO stranger")
        console.execute("SET LOCAL ROLE stranger")
        for statement in ("SELECT jobs_channel('x')", "SELECT secret FROM jobs_channelsecret"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), console.transaction():
                console.execute(statement)
        console.rollback()
