"""A stack with its payloads in a bucket: each process reads there what another one wrote."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from inference_site.stack.harness import Stack
from tests.support import s3
from tests.support.app import JOBS, App, register
from tests.support.s3 import Bucket
from tests.support.stacks import own_stack

ONLY = ("web", "stream", "relay", "gpu-worker-0")
WORD = "acceptance-open-sesame"
BIG = WORD * 10_000
FILE = WORD.encode() * 500_000  # eleven megabytes: more than one part, and more than one sealed piece


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3.serving() as address, s3.bucket_at(address) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def stored(bucket: Bucket) -> Iterator[Stack]:
    """A stack that keeps its payloads in the bucket."""
    with own_stack("acceptance-bucket", only=ONLY, env=bucket.env) as stack:
        register(stack, "echo", "sealed", "echo", encrypt=True)
        yield stack


@pytest.fixture
def app(stored: Stack) -> Iterator[App]:
    app = App(stored)
    yield app
    app.close()


def submitted(app: App, version: str) -> Any:
    upload = app.http.post("/api/v1/uploads", content=FILE, headers={"Content-Type": "text/plain"})
    value = {"big": BIG, "ahead": {"$upload": upload.json()["id"]}, "beside": {"$part": "note"}}
    parts: Any = {
        "job": (None, json.dumps({"model": f"echo:{version}", "input": value})),
        "note": ("n", FILE),
    }
    answer = app.http.post(JOBS, files=parts)
    assert answer.status_code == 202, answer.text
    return answer.json()


@pytest.mark.parametrize("version", ["1", "sealed"])
def test_large_inputs_outputs_and_files_of_either_kind_go_through_the_bucket(
    bucket: Bucket, app: App, version: str
) -> None:
    before = set(bucket.keys)
    job = submitted(app, version)
    view = app.http.get(job["urls"]["wait"]).json()  # from the stream process
    assert view["state"] == "succeeded", view.get("error")
    output = {"big": BIG, "ahead": FILE.decode(), "beside": b64encode(FILE).decode()}
    assert view["output"] == output
    assert app.job(job["id"])["output"] == output
    bodies = [bucket.read(key) for key in set(bucket.keys) - before]
    clear = [body for body in bodies if WORD.encode() in body]
    # An input, an output and two files, which are sealed on arrival whatever the version.
    assert (len(bodies), len(clear)) == (4, 2 if version == "1" else 0)
    assert FILE not in bodies
