"""`client.backtests`: runs of stored inputs under a version, for threads and for asyncio.

    backtest = client.backtests.start("digits", "2", agreement={"by": "label", "at": "/digit"})
    print(client.backtests.wait(backtest.id).outcome)

The token needs the scope `roll_out`. PlatformRefusedError where a call is refused.
"""

from __future__ import annotations

from typing import Any

from inference_client.backtest_answers import RemoteBacktest
from inference_client.calls_on_backtests import BacktestCalls
from inference_client.rollout_clients import RunFlow, RunFlowAsync

WAIT_S = 3_600.0


class Backtests:
    """Backtests, for threads."""

    def __init__(self, calls: BacktestCalls, run: RunFlow) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    def start(self, model: str, version: str, **options: Any) -> RemoteBacktest:
        """Have a worker run stored inputs under a version.

        `options` have the names of the API: `against`, `most`, `filter`, `labels`, `agreement`. A call whose
        answer was lost is tried again, which may start a second one: it draws the same sample.
        """
        return self._run(self._calls.start(model, {"version": version, **options}))

    def get(self, backtest_id: int) -> RemoteBacktest:
        """Return a backtest, with its report once it is done."""
        return self._run(self._calls.backtest(backtest_id))

    def wait(self, backtest_id: int, timeout_s: float = WAIT_S) -> RemoteBacktest:
        """Return a backtest once it has ended; TimeoutError."""
        return self._run(self._calls.wait_for(backtest_id, timeout_s))

    def cancel(self, backtest_id: int) -> RemoteBacktest:
        """End a backtest without a report."""
        return self._run(self._calls.cancel_backtest(backtest_id))

    def report_page(self, backtest_id: int) -> str:
        """Return the report of a backtest as an HTML page with its pictures."""
        return self._run(self._calls.report_page(backtest_id))


class AsyncBacktests:
    """Backtests, for asyncio."""

    def __init__(self, calls: BacktestCalls, run: RunFlowAsync) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    async def start(self, model: str, version: str, **options: Any) -> RemoteBacktest:
        """Have a worker run stored inputs under a version.

        `options` have the names of the API: `against`, `most`, `filter`, `labels`, `agreement`. A call whose
        answer was lost is tried again, which may start a second one: it draws the same sample.
        """
        return await self._run(self._calls.start(model, {"version": version, **options}))

    async def get(self, backtest_id: int) -> RemoteBacktest:
        """Return a backtest, with its report once it is done."""
        return await self._run(self._calls.backtest(backtest_id))

    async def wait(self, backtest_id: int, timeout_s: float = WAIT_S) -> RemoteBacktest:
        """Return a backtest once it has ended; TimeoutError."""
        return await self._run(self._calls.wait_for(backtest_id, timeout_s))

    async def cancel(self, backtest_id: int) -> RemoteBacktest:
        """End a backtest without a report."""
        return await self._run(self._calls.cancel_backtest(backtest_id))

    async def report_page(self, backtest_id: int) -> str:
        """Return the report of a backtest as an HTML page with its pictures."""
        return await self._run(self._calls.report_page(backtest_id))
