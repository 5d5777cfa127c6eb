"""A client that submits a job every few milliseconds, and notes each call that was not accepted."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

JOBS = "/api/v1/jobs"
GAP_S, TIMEOUT_S, READ_EACH = 0.03, 30.0, 5


class SteadyLoad:
    """`with SteadyLoad([url], token) as load:` submits to the last URL of the list, which may grow.

    So does a proxy that gets another upstream. `accepted` are the ids in order, with the input of each.
    """

    def __init__(self, urls: Sequence[str], token: str, *, model: str = "echo", gap_s: float = GAP_S) -> None:
        self.urls, self.model, self._gap_s = [*urls], model, gap_s
        self.accepted: dict[str, dict[str, int]] = {}
        self.errors: list[str] = []
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady-load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the load; a second call does nothing."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        with httpx.Client(headers=self._headers, timeout=TIMEOUT_S, trust_env=False) as http:
            while not self._stop.wait(self._gap_s):
                number += 1
                self._submit(http, number)

    def _submit(self, http: httpx.Client, number: int) -> None:
        url, value = self.urls[-1], {"n": number}
        try:
            answer = http.post(f"{url}{JOBS}", json={"model": self.model, "input": value})
            if answer.status_code != httpx.codes.ACCEPTED:
                self.errors.append(f"POST {number}: {answer.status_code} {answer.text[:300]}")
                return
            identity = answer.json()["id"]
            self.accepted[identity] = value
            if number % READ_EACH == 0:
                self._read(http, f"{url}{JOBS}/{identity}")
        except httpx.HTTPError as error:
            self.errors.append(f"{number}: {error!r}")

    def _read(self, http: httpx.Client, url: str) -> None:
        answer = http.get(url)
        if answer.status_code != httpx.codes.OK:
            self.errors.append(f"GET: {answer.status_code} {answer.text[:300]}")


def unanswered(site: Any, ids: Mapping[str, object]) -> int:
    """Return how many of these jobs have not succeeded yet."""
    query = "SELECT count(*) FROM jobs_job WHERE id = ANY(%s::uuid[]) AND state = 'succeeded'"
    return len(ids) - int(site.value(query, list(ids)))
