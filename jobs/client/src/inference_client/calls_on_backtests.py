"""The calls on backtests, as generators like all others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from inference_client.backtest_answers import RemoteBacktest
from inference_client.calls import JSON, Calls, Flow, Pause, Send

BACKTESTS = "/api/v1/backtests"
LOOK_S = 1.0


class BacktestCalls(Calls):
    """The calls on backtests, each tried again as `patience` allows."""

    def start(self, model: str, contents: Mapping[str, Any]) -> Flow[RemoteBacktest]:
        """Start a backtest."""
        given = {name: value for name, value in contents.items() if value is not None}
        url = f"/api/v1/models/{quote(model, safe='')}/backtests"
        return self._backtest(Send("POST", url, msgspec.json.encode(given), JSON))

    def backtest(self, backtest_id: int) -> Flow[RemoteBacktest]:
        """Read a backtest."""
        return self._backtest(Send("GET", f"{BACKTESTS}/{backtest_id}"))

    def cancel_backtest(self, backtest_id: int) -> Flow[RemoteBacktest]:
        """Cancel a backtest."""
        return self._backtest(Send("POST", f"{BACKTESTS}/{backtest_id}/cancel"))

    def wait_for(self, backtest_id: int, timeout_s: float) -> Flow[RemoteBacktest]:
        """Read a backtest until it has ended; TimeoutError."""
        until = time.monotonic() + timeout_s
        while True:
            backtest = yield from self.backtest(backtest_id)
            if backtest.ended:
                return backtest
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"backtest {backtest_id} is {backtest.state} after {timeout_s:g} s")
            yield Pause(min(LOOK_S, left_s))

    def report_page(self, backtest_id: int) -> Flow[str]:
        """Read the report of a backtest as HTML."""
        return (yield from self._ask(Send("GET", f"{BACKTESTS}/{backtest_id}/report.html"))).decode()

    def _backtest(self, send: Send) -> Flow[RemoteBacktest]:
        return msgspec.json.decode((yield from self._ask(send)), type=RemoteBacktest)
