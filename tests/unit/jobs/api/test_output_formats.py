"""`Accept` decides the form of an output of bytes, and its job where the call leaves it open."""

from __future__ import annotations

import json
from time import thread_time
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

from jobs.api.output_formats import job_body
from jobs.core.errors import NotAcceptableError
from jobs.core.payloads.stored_output import shown_output, stored_output
from models_registry.core.output import Output

ID = UUID("019b2f6c-52a1-7c3e-9d04-6a1f0e8b7c25")
VECTOR = np.array([0.5, -1.25], "float32")
ARRAY = stored_output(Output.of_array(VECTOR, field="e"))
PICTURE = stored_output(Output(b"\x89PNG", "image/png", {"name": "é\u2028"}))
NPY, OCTETS, JSON = "application/x-npy", "application/octet-stream", "application/json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def view(stored: bytes, form: str | None = None) -> dict[str, Any]:
    return {"id": ID, "state": "succeeded", "output": shown_output(stored, form)}


@pytest.mark.parametrize(
    ("stored", "form", "accept", "expected"),
    [
        (ARRAY, None, "", JSON),
        (ARRAY, None, "*/*", JSON),
        (ARRAY, None, BROWSER, JSON),
        (ARRAY, None, "text/plain", JSON),
        (ARRAY, "base64", "*/*", JSON),
        (ARRAY, "npy", "", NPY),
        (ARRAY, "npy", "*/*", NPY),
        (ARRAY, "npy", "application/*", NPY),
        (ARRAY, "npy", JSON, JSON),
        (ARRAY, "raw", "*/*", OCTETS),
        (ARRAY, "raw", "application/json;q=0.5, */*;q=0.1", JSON),
        (ARRAY, "json", NPY, NPY),
        (ARRAY, "json", "Application/X-NPY", NPY),
        (ARRAY, "json", OCTETS, OCTETS),
        (ARRAY, "json", f"{NPY};q=0.4, {OCTETS};q=0.6", OCTETS),
        (ARRAY, "json", f"{NPY};q=0, {OCTETS};q=0.1", OCTETS),
        (ARRAY, "json", f"image/png, {NPY}", NPY),
        (ARRAY, "json", f"{JSON};q=nan;a*=nonsense'b'%ff, {NPY}", JSON),
        (ARRAY, "json", f"{JSON};q=0.2;a*=nonsense'b'%ff, {NPY};q=\"0.5\"", NPY),
        (ARRAY, "npy", f"{JSON}, " * 1_000, NPY),
        (PICTURE, None, "image/*", "image/png"),
        (PICTURE, None, "image/png", "image/png"),
        (PICTURE, None, OCTETS, OCTETS),
        (PICTURE, None, f"{NPY}, {JSON};q=0.1", JSON),
        (PICTURE, "npy", "*/*", "image/png"),
        (PICTURE, "raw", "", "image/png"),
        (b'{"a":1}', "raw", "*/*", JSON),
        (b'{"a":1}', "npy", f"{NPY}, */*;q=0.1", JSON),
    ],
)
def test_the_form(stored: bytes, form: str | None, accept: str, expected: str) -> None:
    body, headers = job_body(view(stored, form), accept)
    assert headers["Content-Type"] == expected
    if expected == JSON:
        assert msgspec.json.decode(body)["id"] == str(ID)
    else:
        assert headers["Job-Id"] == str(ID)
        assert headers["Content-Disposition"].startswith("attachment; filename=")
        assert all(value.isascii() and value.isprintable() for value in headers.values())


@pytest.mark.parametrize("part", ["a/b;c,", ";", ";a,", 'a/b;a=",'])
def test_no_header_takes_long_on_the_event_loop(part: str) -> None:
    def took_s(number: int) -> float:
        accept = part * number
        began = thread_time()
        job_body(view(ARRAY), accept)
        return thread_time() - began

    assert min(map(took_s, (10_000, 10_001, 10_002))) < 0.005
    assert min(map(took_s, (500, 501, 502))) < 0.005


def test_the_bytes_are_described() -> None:
    body, headers = job_body(view(ARRAY), OCTETS)
    meta = json.loads(headers["Output-Meta"])
    assert (np.frombuffer(body, meta["dtype"]).reshape(meta["shape"]) == VECTOR).all()


@pytest.mark.parametrize(
    ("stored", "accept"), [(b"[1]", NPY), (b"[1]", f"{OCTETS}, image/png"), (PICTURE, NPY)]
)
def test_what_cannot_be_is_refused(stored: bytes, accept: str) -> None:
    with pytest.raises(NotAcceptableError):
        job_body(view(stored), accept)
    assert job_body(view(stored), accept, strict=False).headers["Content-Type"] == JSON


@pytest.mark.parametrize("accept", [NPY, OCTETS])
def test_a_job_without_an_output_is_json(accept: str) -> None:
    queued = {"id": ID, "state": "queued"}
    assert job_body(queued, accept).headers["Content-Type"] == JSON
