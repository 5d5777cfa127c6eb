"""The most that one worker can do: `echo` jobs, which need no device, by how many share a message."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.broker import broker_queues
from jobs.broker.job_message import outgoing
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.core.messages.envelope import Envelope
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure

JOBS = 20_000
SHARES = (1, 8, 32)
WAITING = (
    "SELECT id, epoch, version_id, priority, size, client_id FROM jobs_job WHERE state = 'queued' ORDER BY id"
)
LIVE = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
SPAN = """
SELECT extract(epoch FROM max(finished_at) - min(claimed_at))::float8, avg(size)::float8
FROM jobs_batch WHERE claimed_at > %s
"""


def measure() -> Iterator[Figure]:
    rates = {}
    for share in SHARES:
        with bed(f"feed-{share}", ("web",)) as ground:
            ground.bulk("echo", JOBS, {})
            _publish(ground, share)
            rates[share], size = _drained(ground)
        yield Figure(f"{share} a message", f"{rates[share]:,.0f} jobs/s, mean batch {size:.0f}")
    yield Figure("the best over one a message", f"{max(rates.values()) / rates[1]:.2f}")


def _publish(ground: Bed, share: int) -> None:
    envelopes = [Envelope(*row) for row in ground.database.execute(WAITING)]
    bundles = [envelopes[start : start + share] for start in range(0, JOBS, share)]
    publisher = ConfirmingPublisher(ground.stack.info["broker"])
    broker_queues.declare(publisher.connection, ["echo"], queue_type="classic")
    outcomes = publisher.publish([outgoing("echo", bundle) for bundle in bundles])
    publisher.close()
    assert set(outcomes) == {Outcome.CONFIRMED}, set(outcomes)


def _drained(ground: Bed) -> tuple[float, float]:
    since = ground.one("SELECT now()")
    with ground.worker("echo"):
        ground.until(LIVE, 0)
    row = ground.database.execute(SPAN, (since,)).fetchone()
    assert row is not None
    return JOBS / row[0], row[1]
