"""A job that kills its worker is singled out and buried; its neighbours succeed and are not charged."""

from math import log2

from inference_site.stack.harness import Stack
from tests.support.app import App

DEATHS = (
    "SELECT count(*) FROM jobs_worker WHERE end_reason IN ('replaced', 'silent', 'hung') AND started_at > %s"
)
NOW = "SELECT now()"
NEIGHBOURS = 7


def test_a_segfault_buries_its_job_alone_within_two_log_two_deaths(stack: Stack, app: App) -> None:
    start = app.rows(NOW)[0][0]
    values = [{"n": n} for n in range(NEIGHBOURS)] + [{"fail": "segfault"}]
    *neighbours, killer = app.bulk("echo:faulty", values, max_attempts=1)
    job = app.finished(killer, timeout_s=240)
    assert (job["state"], job["error"]["kind"], job["attempts"]) == ("dead", "crash", 1)
    assert app.all_finished(neighbours) == {"succeeded": NEIGHBOURS}
    assert app.attempts(neighbours) == {1: NEIGHBOURS}
    app.assert_each_ran_to_one_result(neighbours)
    # One more than bisection takes: the death of the job alone, which is charged.
    assert app.rows(DEATHS, start)[0][0] <= 2 * log2(NEIGHBOURS + 1) + 1


def test_a_hanging_batch_ends_its_worker_and_the_job_dies_of_a_timeout(stack: Stack, app: App) -> None:
    hanging = app.submit("echo:faulty", {"fail": "hang"}, max_attempts=1)["id"]
    job = app.finished(hanging, timeout_s=120)
    assert (job["state"], job["error"]["kind"]) == ("dead", "timeout")
    ended = app.rows("SELECT count(*) FROM jobs_worker WHERE end_reason = 'hung'")
    assert ended[0][0] == 2  # once in a batch with others, once alone
