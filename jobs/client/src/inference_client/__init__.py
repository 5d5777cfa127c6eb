"""A typed client of the REST API for Python apps: httpx, sync and async, nothing of the platform itself.

    with Client("http://host:port", token) as client:
        job = client.submit("minilm", {"text": "Good morning."})
        print(client.wait(job).output)

Each submit has an idempotency key, which the client makes if the caller gives none, so that it is safe to
repeat: the client tries again after a temporary refusal (429, 503), once `Retry-After` has passed, and after
a lost connection.

An output of bytes, such as an array, comes without a detour over JSON:

        job = client.submit("minilm", {"text": "Good morning."}, encoding="base64", wait_s=5)
        vector = job.output_bytes().array()  # or, of any job: client.output_bytes(job.id).array()

Files are uploaded before the jobs that refer to them, or sent with a job, and never read as a whole:

        scan = client.upload("scan.png", content_type="image/png")
        client.submit("reader", {"page": scan.ref})
        client.submit("reader", {"page": part("page")}, files={"page": File("scan.png", "image/png")})

A producer of many jobs keeps one stream open, and has the future of each answer:

        with client.submitting() as jobs:
            for text in texts:
                answer = jobs.submit("minilm", {"text": text})

A fitted estimator of scikit-learn, or a file such as `iris.onnx`, becomes a version of a model:

        version = client.register("iris", estimator, version="1", example={"data": [5.1, 3.5, 1.4, 0.2]})
        client.submit(version.ref, {"data": [6.2, 2.9, 4.3, 1.3]})

A registered version reaches the jobs of an alias step by step, or goes back by itself:

        rollout = client.rollouts.start("iris", "2", reason="more data")
        for change in client.rollouts.watch(rollout.id):
            print(change.sentence)

A flag is on for some clients, some jobs or a share of them, for rules and for the platform's switches:

        until = "2027-03-01T00:00:00Z"
        client.flags.put("new-tokens", {"owner": "search", "expires_at": until, "share": 0.1})

What it would have answered to stored jobs is seen before:

        backtest = client.backtests.start("iris", "2", agreement={"by": "label", "at": "/species"})
        print(client.backtests.wait(backtest.id).outcome)

Whether its jobs are still like those at its promotion:

        for version in client.drift.show("iris").versions:
            print(version.version, version.sentence)

What it answers to copies of the jobs that come now, beside them:

        rule = client.rollouts.put_rule("iris", {"stable": "1", "shadow": {"version": "2"}})
        print(client.shadows.get("iris", rule.number).sentence)

How good an answer was is said afterwards, and compared between the versions of an A/B test:

        client.feedback(job.id, "clicked", True)
        print(client.rollouts.ab_report("iris", 7).sentence)
"""

from inference_client.answers import (
    BulkItem,
    JobError,
    JobEvent,
    JobsRefusedError,
    OutputBytes,
    PassedStage,
    PlatformRefusedError,
    Problem,
    RanAttempt,
    RegisteredVersion,
    RemoteAct,
    RemoteJob,
    Timeline,
    UploadedFile,
)
from inference_client.backtest_answers import RemoteBacktest
from inference_client.calls import Patience
from inference_client.drift.drift_answers import RemoteDrift
from inference_client.files import File, part
from inference_client.flags.flag_answers import PreviewedFlag, RemoteFlag, RemoteFlagChange, ShownFlag
from inference_client.for_asyncio import AsyncClient
from inference_client.for_threads import Client
from inference_client.job_failed import JobFailedError
from inference_client.rollout_answers import (
    PreviewedRule,
    RemoteCascade,
    RemoteRollout,
    RemoteRule,
    RemoteShadow,
    RolloutChange,
)
from inference_client.rules.ab_answers import GivenFeedback, RemoteAbReport, RemoteFeedbackOutcome

__all__ = [
    "AsyncClient",
    "BulkItem",
    "Client",
    "File",
    "GivenFeedback",
    "JobError",
    "JobEvent",
    "JobFailedError",
    "JobsRefusedError",
    "OutputBytes",
    "PassedStage",
    "Patience",
    "PlatformRefusedError",
    "PreviewedFlag",
    "PreviewedRule",
    "Problem",
    "RanAttempt",
    "RegisteredVersion",
    "RemoteAbReport",
    "RemoteAct",
    "RemoteBacktest",
    "RemoteCascade",
    "RemoteDrift",
    "RemoteFeedbackOutcome",
    "RemoteFlag",
    "RemoteFlagChange",
    "RemoteJob",
    "RemoteRollout",
    "RemoteRule",
    "RemoteShadow",
    "RolloutChange",
    "ShownFlag",
    "Timeline",
    "UploadedFile",
    "part",
]
