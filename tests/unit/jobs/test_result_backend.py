"""The result backend against Celery's own: a method that it overrides is one that Celery still calls."""

from __future__ import annotations

from inspect import signature

import pytest
from celery.backends.database import DatabaseBackend

from jobs.result_backend import JobBackend

OURS = {"_meta_of", "_result_of", "_row"}
OVERRIDDEN = [
    name for name, value in vars(JobBackend).items()
    if callable(value) and name not in OURS and not name.startswith("__")
]  # fmt: skip


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_what_the_backend_overrides_is_celery_s_and_takes_as_many_arguments(name: str) -> None:
    theirs = signature(getattr(DatabaseBackend, name)).parameters
    ours = signature(getattr(JobBackend, name)).parameters
    open_ended = any(parameter.kind.name.startswith("VAR") for parameter in ours.values())
    assert open_ended or len(ours) == len(theirs)


def test_the_banner_of_a_worker_shows_a_url_with_two_hosts_and_no_password() -> None:
    backend = JobBackend.__new__(JobBackend)
    backend.url = "postgresql://reader:w%40rd@one:5432,two:6432/jobs?target_session_attrs=read-write"
    assert backend.as_uri() == "postgresql://reader@one,two/jobs"
