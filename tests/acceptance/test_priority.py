"""What is urgent does not wait behind what is not."""

from statistics import median

from tests.acceptance.app import App, eventually

PUBLISHED = (
    "SELECT clock_timestamp() WHERE NOT EXISTS (SELECT FROM jobs_outbox WHERE job_id = %s AND published = 0)"
)
BETWEEN = """
SELECT count(*) FROM jobs_batch b, jobs_job j JOIN models_registry_modelversion v ON v.id = j.version_id
WHERE j.id = %s AND b.version_id = j.version_id AND b.claimed_at > %s AND b.claimed_at <= j.started_at
"""


def test_priority_9_posted_behind_ten_thousand_of_priority_0_starts_within_three_batch_times(
    app: App,
) -> None:
    low = app.bulk("sleeper:steady", [{"n": n} for n in range(10_000)], priority=0)
    eventually(lambda: app.states(low).get("succeeded", 0) > 500)
    counts = [batches_until_claimed(app) for _ in range(7)]
    assert app.states(low).get("queued", 0) > 1_000, "the backlog was gone before the urgent job came"
    assert median(counts) <= 3, counts
    assert max(counts) <= 4, counts
    assert app.all_finished(low, timeout_s=90) == {"succeeded": 10_000}


def batches_until_claimed(app: App) -> int:
    """Count the batches claimed from the urgent job's publish up to its own, which counts too."""
    job = app.submit("sleeper:steady", {"urgent": True}, priority=9)
    published = eventually(lambda: app.rows(PUBLISHED, job["id"]), every_s=0.0)[0][0]
    app.finished(job["id"])
    return int(app.rows(BETWEEN, job["id"], published)[0][0])
