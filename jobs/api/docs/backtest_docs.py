"""The description of backtests: their requests, and the page."""

from __future__ import annotations

from typing import Any

from jobs.api.docs import backtest_examples
from jobs.api.docs.named_schemas import named
from jobs.api.docs.response_docs import by_example

BACKTEST_DOC: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": named("BacktestRequest"),
                "examples": by_example(backtest_examples.REQUESTS),
            }
        },
    }
}
REPORT_PAGE_DOC: dict[str, Any] = {
    "responses": {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
}
