"""`client.cascades`: what cascades did, and what other thresholds would do, for threads and for asyncio.

    seen = client.cascades.report("digits", 15, labels={job.id: 7, ...}, at="/digit")
    print(seen.report.escalated_share, seen.report.last_accuracy)

The token needs the scope `roll_out`. PlatformRefusedError where a call is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from inference_client.calls_on_rollouts import HTML, PNG, CascadeCalls, asked
from inference_client.rollout_answers import RemoteCascade
from inference_client.rollout_clients import RunFlow, RunFlowAsync

Labels = Mapping[UUID | str, Any]


class Cascades:
    """Reports on cascades, for threads."""

    def __init__(self, calls: CascadeCalls, run: RunFlow) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    def report(
        self,
        model: str,
        number: int,
        *,
        alias: str = "default",
        labels: Labels | None = None,
        at: str | None = None,
        most: int | None = None,
    ) -> RemoteCascade:
        """Return the report on the cascade of rule `number`, by right labels where some are given.

        `labels` are by the ids of jobs, and `at` is the JSON pointer of the label in an output.
        """
        return self._run(self._calls.report(model, number, asked(labels, at, most), alias))

    def report_page(self, model: str, number: int, *, alias: str = "default") -> str:
        """Return the report as an HTML page with its picture."""
        return self._run(self._calls.written(model, number, {}, alias, {"Accept": HTML})).decode()

    def picture(self, model: str, number: int, *, alias: str = "default") -> bytes:
        """Return the curve over the threshold as PNG, where a job has ended."""
        return self._run(self._calls.written(model, number, {}, alias, {"Accept": PNG}))


class AsyncCascades:
    """Reports on cascades, for asyncio."""

    def __init__(self, calls: CascadeCalls, run: RunFlowAsync) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    async def report(
        self,
        model: str,
        number: int,
        *,
        alias: str = "default",
        labels: Labels | None = None,
        at: str | None = None,
        most: int | None = None,
    ) -> RemoteCascade:
        """Return the report on the cascade of rule `number`, by right labels where some are given.

        `labels` are by the ids of jobs, and `at` is the JSON pointer of the label in an output.
        """
        return await self._run(self._calls.report(model, number, asked(labels, at, most), alias))

    async def report_page(self, model: str, number: int, *, alias: str = "default") -> str:
        """Return the report as an HTML page with its picture."""
        return (await self._run(self._calls.written(model, number, {}, alias, {"Accept": HTML}))).decode()

    async def picture(self, model: str, number: int, *, alias: str = "default") -> bytes:
        """Return the curve over the threshold as PNG, where a job has ended."""
        return await self._run(self._calls.written(model, number, {}, alias, {"Accept": PNG}))
