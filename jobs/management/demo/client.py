"""The platform over HTTP, as an internal app uses it: httpx and a bearer token, nothing of this project."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

import httpx

Job = dict[str, Any]
TERMINAL = frozenset({"succeeded", "dead", "cancelled", "expired"})
BULK, PAGE = 250, 200  # jobs a call
POLL_S = 2.0  # a page of jobs costs the cores that the model runs on
TIMEOUT_S = 90.0


class DemoError(Exception):
    """The platform did not do its part; the message says what."""


class Platform:
    """`with Platform(api, token) as platform:` submits jobs, waits for them and reads their outputs."""

    def __init__(self, api: str, token: str) -> None:
        """Talk to the REST API at `api` with this bearer token."""
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=api, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        """Return the platform, ready to be asked."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, requests: Sequence[Job]) -> list[str]:
        """Submit jobs in bulk, some hundred a call; return their ids in order."""
        return [
            identity for start in range(0, len(requests), BULK) for identity in self._bulk(requests[start:])
        ]

    def answer(self, request: Job) -> Job:
        """Submit one job and return it finished."""
        job: Job = self._ask("POST", "/api/v1/jobs", json=request)
        deadline = time.monotonic() + TIMEOUT_S
        while job["state"] not in TERMINAL:
            if time.monotonic() > deadline:
                raise DemoError(f"job {job['id']} is still {job['state']}")
            job = self._ask("GET", job["urls"]["wait"])
        return job

    def progress(self, ids: Sequence[str], *, limit_s: float) -> Iterator[int]:
        """Yield, now and then, how many of the jobs have ended, until all have."""
        open_ids, deadline = set(ids), time.monotonic() + limit_s
        while open_ids:
            if time.monotonic() > deadline:
                raise DemoError(f"{len(open_ids)} jobs have not ended after {limit_s:.0f} s")
            open_ids -= {job["id"] for job in self._listed(len(ids)) if job["state"] in TERMINAL}
            yield len(ids) - len(open_ids)
            time.sleep(POLL_S if open_ids else 0.0)

    def jobs(self, ids: Sequence[str]) -> list[Job]:
        """Return the jobs with their outputs, in order."""
        return [self._ask("GET", f"/api/v1/jobs/{identity}") for identity in ids]

    def _bulk(self, requests: Sequence[Job]) -> list[str]:
        answer = self._ask("POST", "/api/v1/jobs/bulk", json=list(requests[:BULK]))
        if answer["rejected"]:
            raise DemoError(f"{answer['rejected']} jobs were rejected: {answer['jobs'][:3]}")
        return [job["id"] for job in answer["jobs"]]

    def _listed(self, count: int) -> Iterator[Job]:
        cursor: str | None = None
        while count > 0:
            page = self._ask(
                "GET", "/api/v1/jobs", params={"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            )
            yield from page["jobs"]
            count, cursor = count - len(page["jobs"]), page["next_cursor"]
            if cursor is None:
                return

    def _ask(self, method: str, url: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise DemoError(f"{method} {url}: {error!r}") from error
        if answer.is_error:
            raise DemoError(f"{method} {url} was answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()
