"""A stranger in the same database neither hears the channels nor is heard on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

import psycopg
import sqlalchemy as sa

from jobs.core import channels
from jobs.db.channel_names import channel_name, name_of
from jobs.db.listen_loop import ListenLoop
from jobs.services.lifecycle.cancel import cancel_job
from tests.support.factories import make_client, make_job
from tests.support.listening import listening
from tests.support.wait import wait_until

NAMES = [value for name, value in vars(channels).items() if name.isupper()]
BARE = re.compile(r"""["'](?:channel|settled|cancelled)["']: [A-Z]+\b""")
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
            for name in (channels.SETTLED, name_of("another stack's key", channels.SETTLED)):
                stranger.execute("SELECT pg_notify(%s, 'job:forged')", (name,))
            stranger.execute("SELECT pg_notify(%s, 'job:ours')", (channel_name(channels.SETTLED),))
        wait_until(lambda: "job:ours" in loop.heard)
        assert loop.heard == ["job:ours"]
    finally:
        stop.set()
        thread.join()


def test_no_statement_notifies_a_channel_by_its_bare_name() -> None:
    sources = {path: path.read_text() for path in (ROOT / "jobs").rglob("*.py")}
    assert {str(path): BARE.findall(text) for path, text in sources.items() if BARE.search(text)} == {}
    assert BARE.search('{"channel": SETTLED, "jobs": jobs}')
    advisory = [str(path) for path, text in sources.items() if "pg_advisory" in text or "pg_try_adv" in text]
    assert advisory == [], "any role of the database could take the same lock"


def test_each_key_and_each_channel_has_a_name_of_its_own() -> None:
    names = {name_of(key, channel) for key in ("one", "other") for channel in NAMES}
    assert len(names) == 2 * len(NAMES)
    assert all(re.fullmatch(r"jobs_[a-z]+_[0-9a-f]{32}", name) for name in names)
