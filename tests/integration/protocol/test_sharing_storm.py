"""Identical requests in the storm of test_storm: each ends once, by its own run or another's.

Seeded: `PROTOCOL_SEED=… pytest tests/integration/protocol` draws the same chances again.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from jobs import metrics
from jobs.core.states import TERMINAL
from jobs.db.engine import engine
from jobs.models import Job
from jobs.services.relay import statements as feed
from models_registry import selectors
from tests.integration.protocol.sharing_world import SharingWorld
from tests.integration.protocol.storm import WRONG, nonzero, rage, rows, wait_until_all_ended
from tests.integration.protocol.world import QUEUE
from tests.support.factories import make_version

STORM_S, LONGEST_STORM_S = 12.0, 90.0
DEADLINE_S = 120.0
DANGERS = (
    "hits", "undone", "crashes", "zombies", "released", "reaped", "cancelled", "replayed", "expired",
)  # fmt: skip
# Every end of a job is counted by the database, with the transaction that brought it about.
COUNT_ENDS = """
CREATE TABLE ends (job uuid);
CREATE FUNCTION note_end() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO ends VALUES (NEW.id); RETURN NULL; END $$;
CREATE TRIGGER ends_once AFTER UPDATE ON jobs_job FOR EACH ROW
  WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION note_end();
CREATE TRIGGER born_ended AFTER INSERT ON jobs_job FOR EACH ROW
  WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION note_end();
"""
COUNT_NO_MORE = """
DROP TRIGGER IF EXISTS ends_once ON jobs_job; DROP TRIGGER IF EXISTS born_ended ON jobs_job;
DROP FUNCTION IF EXISTS note_end; DROP TABLE IF EXISTS ends;
"""
LIVES = """
SELECT job.id, (SELECT count(*) FROM ends WHERE ends.job = job.id) - (
  SELECT count(*) FROM jobs_event event WHERE event.job_id = job.id AND event.kind = 'replay')
FROM jobs_job job
"""
SHARING_WRONG = {
    "a follower": "SELECT count(*) FROM jobs_follower",
    "an answer that is not its source's": "SELECT count(*) FROM jobs_jobresult r"
    " LEFT JOIN jobs_jobresult s ON s.job_id = r.source AND s.source IS NULL AND s.body = r.body"
    " WHERE r.source IS NOT NULL AND s.job_id IS NULL",
    "another's or another question's answer": "SELECT count(*) FROM jobs_jobresult r"
    " JOIN jobs_job j ON j.id = r.job_id JOIN jobs_job s ON s.id = r.source"
    " JOIN jobs_jobinput a ON a.job_id = j.id JOIN jobs_jobinput b ON b.job_id = s.id"
    " WHERE a.body <> b.body OR j.client_id <> s.client_id",
}


@pytest.fixture
def world(db: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharingWorld]:
    monkeypatch.setattr(feed, "VISIBILITY_S", 0.8)
    monkeypatch.setattr(feed, "VISIBILITY_CAP_S", 3.0)
    selectors.forget()
    version = make_version(QUEUE, options={"cache_ttl_s": 0.3}, max_batch=32)
    run(COUNT_NO_MORE + COUNT_ENDS)
    world = SharingWorld(version=version.id, seed=seed)
    yield world
    world.finish()
    run(COUNT_NO_MORE)
    engine().dispose()


def run(statements: str) -> None:
    with engine().begin() as connection:
        connection.exec_driver_sql(statements)


def ended() -> dict[str, float]:
    return {how: metrics.FOLLOWERS_ENDED.labels(how)._value.get() for how in ("succeeded", "dead", "running")}


def test_each_of_many_identical_jobs_ends_once_through_every_fault_of_the_running_one(
    world: SharingWorld,
) -> None:
    before = ended()

    def missing() -> list[str]:
        ways = [how for how, count in ended().items() if count == before[how]]
        return [*(name for name in DANGERS if not world.seen[name]), *ways]

    world.start()
    rage(world, STORM_S, LONGEST_STORM_S, missing)
    world.quiet.set()
    wait_until_all_ended(world, DEADLINE_S)
    world.finish()
    print(len(world.made), dict(world.seen), {how: count - before[how] for how, count in ended().items()})
    assert world.errors == []
    assert_each_ended_once(world)


def assert_each_ended_once(world: SharingWorld) -> None:
    assert set(Job.objects.values_list("id", flat=True)) == set(world.made)
    assert set(Job.objects.values_list("state", flat=True)) <= {state.value for state in TERMINAL}
    assert Counter(count for _, count in rows(LIVES)) == {1: len(world.made)}
    assert nonzero(WRONG | SHARING_WRONG) == {}
    assert set(world.succeeded.values()) <= {1}
    ran = {job for (job,) in rows("SELECT job_id FROM jobs_jobresult WHERE source IS NULL")}
    assert ran == set(world.succeeded)
