"""An app that names an address is told there of its job's end, through the whole stack."""

from inference_site.stack.harness import Stack
from jobs.client.webhook import verify
from tests.support.app import App, manage
from tests.support.receiver import receiving
from tests.support.wait import wait_until


def test_a_job_s_end_is_told_to_its_callback_url(stack: Stack, app: App) -> None:
    key = {"SECRET_KEY": (stack.run_dir / "secret-key").read_text()}
    secret = manage(stack, "webhook_secret", "stack", env=key).split()[-1]
    with receiving() as receiver:
        receiver.answers = [(503, {})]  # the first attempt fails
        good = app.submit("echo", {"n": 7}, callback_url=receiver.url)["id"]
        bad = app.submit("echo:faulty", {"fail": "invalid"}, callback_url=receiver.url)["id"]
        wait_until(lambda: len(receiver.requests) == 3)
    told = {str(hook.data.id): hook for hook in (verify(*each, [secret]) for each in receiver.requests)}
    assert (told[good].type, told[good].data.output) == ("job.succeeded", {"n": 7})
    assert told[bad].type == "job.dead"
    assert told[bad].data.error is not None
