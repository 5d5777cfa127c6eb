"""`client.shadows`: versions that run copies of an alias's jobs, for threads and for asyncio.

    rule = client.rollouts.put_rule("digits", {"stable": "1", "shadow": {"version": "2"}})
    print(client.shadows.get("digits", rule.number).sentence)

The token needs the scope `roll_out`. PlatformRefusedError where a call is refused.
"""

from __future__ import annotations

from inference_client.calls_on_rollouts import ShadowCalls
from inference_client.rollout_answers import RemoteShadow
from inference_client.rollout_clients import RunFlow, RunFlowAsync


class Shadows:
    """Shadows of rules, for threads."""

    def __init__(self, calls: ShadowCalls, run: RunFlow) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    def get(self, model: str, number: int, *, alias: str = "default") -> RemoteShadow:
        """Return the shadow of a rule, with what it has shown so far."""
        return self._run(self._calls.shadow(model, number, alias))

    def stop(self, model: str, number: int, *, alias: str = "default", reason: str = "") -> RemoteShadow:
        """Make no more copies, and drop those that wait; the rule stays in force."""
        return self._run(self._calls.act_on(model, number, alias, "stop", reason))

    def start(self, model: str, number: int, *, alias: str = "default", reason: str = "") -> RemoteShadow:
        """Start a stopped shadow again; what it has shown stays."""
        return self._run(self._calls.act_on(model, number, alias, "start", reason))

    def report_page(self, model: str, number: int, *, alias: str = "default") -> str:
        """Return the report of a shadow as an HTML page with its pictures."""
        return self._run(self._calls.report_page(model, number, alias))

    def picture(self, model: str, number: int, *, alias: str = "default") -> bytes:
        """Return the service times of a shadow as a PNG."""
        return self._run(self._calls.picture(model, number, alias))


class AsyncShadows:
    """Shadows of rules, for asyncio."""

    def __init__(self, calls: ShadowCalls, run: RunFlowAsync) -> None:
        """Make calls by `run`."""
        self._calls, self._run = calls, run

    async def get(self, model: str, number: int, *, alias: str = "default") -> RemoteShadow:
        """Return the shadow of a rule, with what it has shown so far."""
        return await self._run(self._calls.shadow(model, number, alias))

    async def stop(
        self, model: str, number: int, *, alias: str = "default", reason: str = ""
    ) -> RemoteShadow:
        """Make no more copies, and drop those that wait; the rule stays in force."""
        return await self._run(self._calls.act_on(model, number, alias, "stop", reason))

    async def start(
        self, model: str, number: int, *, alias: str = "default", reason: str = ""
    ) -> RemoteShadow:
        """Start a stopped shadow again; what it has shown stays."""
        return await self._run(self._calls.act_on(model, number, alias, "start", reason))

    async def report_page(self, model: str, number: int, *, alias: str = "default") -> str:
        """Return the report of a shadow as an HTML page with its pictures."""
        return await self._run(self._calls.report_page(model, number, alias))

    async def picture(self, model: str, number: int, *, alias: str = "default") -> bytes:
        """Return the service times of a shadow as a PNG."""
        return await self._run(self._calls.picture(model, number, alias))
