"""Files that the client sends to a server as it is run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference_client import Client, File, Patience, PlatformRefusedError, part
from jobs.core.payloads.pointer import pointer_of
from jobs.models import Client as Row
from jobs.models import Job, JobInput
from jobs.services.access.owner import forget_owners
from jobs.services.admission import quotas

SIZE = 3_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "scan.png"
    made.write_bytes(os.urandom(SIZE))
    return made


@pytest.fixture
def platform(token: str, serve: Callable[..., httpx.Client]) -> Iterator[Client]:
    server = serve(MAX_UPLOAD_BYTES=str(2 * SIZE))
    with Client(str(server.base_url), token, patience=Patience(tries=3, base_s=0.01)) as made:
        yield made


@pytest.fixture
def hasty(platform: Client, token: str) -> Iterator[Client]:
    """A client of the same server that tries nothing again."""
    with Client(str(platform._http.base_url), token, patience=Patience(tries=1)) as made:
        yield made


def test_a_file_that_is_too_large_is_refused_in_words_while_it_is_sent(hasty: Client) -> None:
    for large in (2 * SIZE + 1, 8 * SIZE):
        with pytest.raises(PlatformRefusedError, match="413 body_too_large"):
            hasty.upload(b"x" * large)


def test_a_client_at_its_quota_of_bytes_waits_and_sends_the_file_again(
    platform: Client, hasty: Client, path: Path
) -> None:
    Row.objects.filter(name="app").update(bytes_per_s=SIZE)
    forget_owners()
    quotas.forget_quotas()
    for _ in range(5):
        platform.upload(b"x" * 2 * SIZE)
    with path.open("rb") as file:
        file.seek(1)
        with pytest.raises(PlatformRefusedError, match="429 quota_exceeded"):
            hasty.upload(file)
        file.seek(1)
        assert platform.upload(file).size == SIZE - 1


def test_a_form_that_is_sent_twice_makes_one_job_of_the_same_files(platform: Client, path: Path) -> None:
    jobs = {
        platform.submit(
            "echo",
            {"text": part("page"), "more": part("note")},
            files={"page": path, "note": File(b"hello", "text/plain")},
            idempotency_key="order 7",
        ).id
        for _ in range(2)
    }
    assert {job.pk for job in Job.objects.all()} == jobs
    files = pointer_of(bytes(JobInput.objects.get().body)).files
    assert sorted((file.size, file.content_type) for file in files) == [
        (5, "text/plain"),
        (SIZE, "application/octet-stream"),
    ]


@pytest.mark.parametrize("name", ["page", "Seite 7; größer", "a'b%22", "名前.png"])
def test_a_part_may_have_any_name(platform: Client, name: str) -> None:
    job: Any = platform.submit("echo", {"text": part(name)}, files={name: b"x"})
    assert job.state == "queued"
