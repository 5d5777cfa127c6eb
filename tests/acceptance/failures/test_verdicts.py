"""Each item of a batch has its own verdict, and a batch that does not fit the device is split."""

from __future__ import annotations

import json

import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App, register

FITS = 5
NUMBERS = {"type": "object", "properties": {"x": {"type": "number"}}}


@pytest.fixture(scope="module", autouse=True)
def versions(stack: Stack) -> None:
    register(stack, "echo", "tight", "faulty", "--max-batch", "64", fits=FITS)
    register(
        stack, "echo", "strict", "faulty", "--output-schema", json.dumps(NUMBERS),
        check_output=True,
    )  # fmt: skip
    register(stack, "echo", "loose", "faulty", refuse_nan=False)


def test_a_batch_that_does_not_fit_is_halved_and_no_attempt_is_charged(app: App) -> None:
    ids = app.bulk("echo:tight", [{"n": n} for n in range(200)])
    assert app.all_finished(ids) == {"succeeded": 200}
    assert app.attempts(ids) == {1: 200}
    app.assert_each_ran_to_one_result(ids)
    largest = "SELECT max(size) FROM jobs_batch WHERE members && %s::uuid[]"
    assert app.rows(largest, ids) > [(FITS,)], "no batch was too large"


def test_the_next_batches_fit_the_device(app: App) -> None:
    app.all_finished(app.bulk("echo:tight", [{"n": n} for n in range(64)]))
    ids = app.bulk("echo:tight", [{"n": n} for n in range(200)])
    app.all_finished(ids)
    assert app.rows("SELECT max(size) FROM jobs_batch WHERE members && %s::uuid[]", ids) <= [(FITS,)]


@pytest.mark.parametrize(
    ("bad", "kind", "code", "says"),
    [
        ({"answer": "nan"}, "poison", "not_finite", "NaN or infinity at '/answer'"),
        ({"x": "high"}, "poison", "bad_output", 'breaks its schema: /x: "high" is not of type "number"'),
        ({"answer": "raise"}, "poison", "ValueError", "the model raises on this output"),
        ({"short": True}, "poison", "bad_output", "0 outputs for 1 inputs"),
        ({"fail": "memory"}, "resource", "MemoryError", "out of memory"),
    ],
)
def test_an_output_that_is_refused_fails_its_own_job_alone(
    app: App, bad: dict[str, object], kind: str, code: str, says: str
) -> None:
    ids = app.bulk("echo:strict", [{"x": n} for n in range(30)] + [bad] + [{"x": n} for n in range(30)])
    assert app.all_finished(ids) == {"succeeded": 60, "dead": 1}
    error = app.job(ids[30])["error"]
    assert (error["kind"], error["code"]) == (kind, code)
    assert says in error["detail"]
    assert app.attempts([ids[n] for n in range(61) if n != 30]) == {1: 60}


def test_nan_that_the_model_does_not_refuse_is_retried_and_never_stored(app: App) -> None:
    (one,) = app.bulk("echo:loose", [{"answer": "nan"}])
    job = app.finished(one)
    assert (job["state"], job["attempts"], job["error"]["code"]) == ("dead", 3, "not_finite")
    assert "'/answer'" in job["error"]["detail"]
