"""A job's callback URL receives a webhook at its end, through the whole stack."""

from inference_client.webhook import verify
from inference_site.stack.harness import Stack
from tests.support.app import App, manage
from tests.support.receiver import receiving
from tests.support.wait import wait_until


def test_a_callback_url_receives_the_end_of_its_job(stack: Stack, app: App) -> None:
    secret = manage(stack, "webhook_secret", "stack").split()[-1]
    with receiving() as receiver:
        receiver.answers = [(503, {})]  # the first attempt fails
        good = app.submit("echo", {"n": 7}, callback_url=receiver.url)["id"]
        bad = app.submit("echo:faulty", {"fail": "invalid"}, callback_url=receiver.url)["id"]
        wait_until(lambda: len(receiver.requests) == 3)
    hooks = (verify(headers, body, [secret]) for headers, body in receiver.requests)
    by_job = {str(hook.data.id): hook for hook in hooks}
    assert (by_job[good].type, by_job[good].data.output) == ("job.succeeded", {"n": 7})
    assert by_job[bad].type == "job.dead"
    assert by_job[bad].data.error is not None
