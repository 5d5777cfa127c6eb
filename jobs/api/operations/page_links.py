"""The admin's pages that a reading leads to."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from jobs.core.states import State


def page(name: str, key: object = None, **query: str) -> str:
    """Return the address of the list `name`, such as `jobs_circuit`, or of its row `key`."""
    kind, arguments = ("changelist", ()) if key is None else ("change", (key,))
    path = reverse(f"admin:{name}_{kind}", args=arguments)
    return f"{path}?{urlencode(query)}" if query else path


def jobs_of(model: str) -> str:
    """Return the list of a model's jobs."""
    return page("jobs_job", model=model)


def waiting_of(model: str) -> str:
    """Return the list of a model's jobs that wait."""
    return page("jobs_job", model=model, state=State.QUEUED.value)


def jobs_of_client(client: int) -> str:
    """Return the list of a client's jobs."""
    return page("jobs_job", client=str(client))


def worker_page(worker: UUID) -> str:
    """Return a worker's page."""
    return page("jobs_worker", worker)


def letters_like(model: str, kind: str, fingerprint: str) -> str:
    """Return the list of the dead letters of a group."""
    return page("jobs_deadletter", model=model, kind=kind, fingerprint=fingerprint)
