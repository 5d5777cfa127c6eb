"""Roll-outs on a running stack: a model of flaky versions, workers that come back, a client that may act."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from inference_client import Client
from inference_client.rollout_answers import RemoteRollout
from inference_site.stack.harness import Stack
from inference_site.stack.leash import death_words
from inference_site.stack.services import PROJECT
from tests.support.app import App, manage, register, stack_env
from tests.support.own_worker import consumers, log_of
from tests.support.wait import wait_until

FLAKY = "models_registry.loaders.flaky:flaky"
STABLE, CANDIDATE = "1", "2"
FAST = {"base_s": 0.0, "per_item_s": 0.0}
CHUNK = 100  # jobs of a call
# Seconds of a plan for tests; the proof by stored inputs is left out, because these models have none.
QUICK: Mapping[str, Any] = {"quick": True, "step_s": 1, "bake_s": 1, "duels": 0}
UNDER = """
SELECT count(*) FROM jobs_outbox outbox JOIN models_registry_modelversion version
ON version.id = outbox.version_id WHERE outbox.queue = %s AND version.version = %s
"""
LATE = """
SELECT count(*) FROM jobs_batch batch
JOIN models_registry_modelversion version ON version.id = batch.version_id
JOIN models_registry_registeredmodel model ON model.id = version.model_id
JOIN models_registry_rollout rollout ON rollout.id = %s
WHERE model.name = %s AND version.version = %s AND batch.claimed_at > rollout.ended_at + interval '5 s'
"""
RAN_BY = """
SELECT version.version, count(*) FROM jobs_job job
JOIN models_registry_modelversion version ON version.id = job.version_id
WHERE job.id = ANY(%s::uuid[]) GROUP BY 1
"""
RESCUED = "SELECT count(DISTINCT job_id) FROM jobs_event WHERE kind = 'rescue' AND job_id = ANY(%s::uuid[])"


class Pair(NamedTuple):
    """The options of both versions of `flaky`."""

    candidate: Mapping[str, Any]
    stable: Mapping[str, Any] = FAST


class Exposure(NamedTuple):
    """What a roll-out's row says."""

    state: str
    hold: str
    met: int
    budget: int
    deaths: int
    sentence: str


class Rolled:
    """A model of a test with the versions STABLE and CANDIDATE of `flaky`, and who may roll it out."""

    def __init__(self, stack: Stack, app: App, model: str) -> None:
        self.stack, self.app, self.model = stack, app, model
        self.operator = operator(stack)

    def start(self, **plan: Any) -> RemoteRollout:
        return self.operator.rollouts.start(self.model, CANDIDATE, plan={**QUICK, **plan}, reason="a test")

    def cancel_live(self) -> None:
        for rollout in self.operator.rollouts.list(model=self.model):
            if not rollout.ended:
                self.operator.rollouts.cancel(rollout.id)

    def now(self, rollout: int) -> Exposure:
        query = "SELECT state, hold, met, budget, deaths, sentence FROM models_registry_rollout WHERE id = %s"
        (row,) = self.app.rows(query, rollout)
        return Exposure(*row)

    def until(self, rollout: int, *states: str, hold: str = "", limit_s: float = 60.0) -> Exposure:
        """Wait until the roll-out is in one of these states, held for `hold` where that is given."""
        return wait_until(
            lambda: now if (now := self.now(rollout)).state in states and now.hold == hold else None,
            limit_s=limit_s, every_s=0.1, what=lambda: f"{states} {hold}: {self.now(rollout)}",
        )  # fmt: skip

    def inputs(self, count: int) -> list[dict[str, str]]:
        """Return inputs that no job had before."""
        return [{"text": str(uuid.uuid4())} for _ in range(count)]

    def feed(self, over: Callable[[], bool], *, most: int, at_once: int = CHUNK) -> list[str]:
        """Submit jobs in calls of `at_once`, until `over` or `most` were accepted; return their ids."""
        ids: list[str] = []
        while len(ids) < most and not over():
            ids += self.app.bulk(self.model, self.inputs(at_once))
        return ids

    def ran_by(self, ids: Sequence[str]) -> dict[str, int]:
        """Return how many of the jobs each version has answered."""
        return dict(self.app.rows(RAN_BY, ids))

    def rescued(self, ids: Sequence[str]) -> int:
        return int(self.app.rows(RESCUED, ids)[0][0])

    def waiting_for_candidate(self) -> int:
        return int(self.app.rows(UNDER, self.model, CANDIDATE)[0][0])

    def claimed_late(self, rollout: int) -> int:
        """Return how many batches of the candidate were claimed later than 5 s after the roll-out's end."""
        return int(self.app.rows(LATE, rollout, self.model, CANDIDATE)[0][0])

    def alias(self) -> str:
        """Return the version that the model's alias `default` stands for."""
        query = """
SELECT version.version FROM models_registry_alias alias
JOIN models_registry_modelversion version ON version.id = alias.version_id
JOIN models_registry_registeredmodel model ON model.id = alias.model_id
WHERE model.name = %s AND alias.name = 'default'
"""
        return str(self.app.rows(query, self.model)[0][0])


@contextlib.contextmanager
def rolled(
    stack: Stack,
    app: App,
    model: str,
    pair: Pair,
    *,
    index: int,
    workers: int = 1,
) -> Iterator[Rolled]:
    """Register both versions of a model, and keep `workers` of it running; end its roll-outs afterwards."""
    register(stack, model, STABLE, FLAKY, "--alias", "default", "--example", "{}", **pair.stable)
    register(stack, model, CANDIDATE, FLAKY, "--example", "{}", **pair.candidate)
    made = Rolled(stack, app, model)
    with made.operator, contextlib.ExitStack() as kept:
        for number in range(workers):
            kept.enter_context(kept_worker(stack, model, index=index + number))
        wait_until(lambda: consumers(stack, model) >= workers, limit_s=180)
        try:
            yield made
        finally:
            made.cancel_live()


def operator(stack: Stack) -> Client:
    """Return a client whose token may roll out."""
    words = (
        "--client",
        "roller",
        "--scope",
        "roll_out",
        "--scope",
        "read",
        "--scope",
        "submit",
        "--no-quotas",
    )
    token = manage(stack, "create_token", *words).split()[-1]
    return Client(stack.info["api"], token, timeout_s=60)


@contextlib.contextmanager
def kept_worker(stack: Stack, model: str, *, index: int) -> Iterator[None]:
    """Run a worker of one model, and another one in its place whenever it dies, until the block ends."""
    words = [*death_words(signal.SIGKILL), sys.executable, "manage.py", "gpu_worker", "--cpu"]
    words += ["--models", model, "--index", str(index), "--lanes", "1"]
    stop, running = threading.Event(), list[subprocess.Popen[bytes]]()

    def keep() -> None:
        with log_of(stack, index).open("wb") as log:
            while not stop.is_set():
                worker = subprocess.Popen(words, env=stack_env(stack), cwd=PROJECT, stdout=log, stderr=log)
                running[:] = [worker]
                worker.wait()

    keeper = threading.Thread(target=keep, name=f"worker {index} of {model}")
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        for worker in running:
            worker.terminate()
        keeper.join(45)
        for worker in running:
            worker.kill()
        keeper.join()
