"""`client.rollouts`: rules and roll-outs, for threads and for asyncio.

    rollout = client.rollouts.start("minilm", "2", reason="better recall", ticket="ML-31")
    for change in client.rollouts.watch(rollout.id):
        print(change.state, change.share, change.sentence)

The token needs the scope `roll_out`, and `approve` to approve. PlatformRefusedError where a call is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from inference_client.answers import JobEvent
from inference_client.calls import Answer, Flow
from inference_client.calls_on_rollouts import ROLLOUTS, RolloutCalls
from inference_client.events import EventReader
from inference_client.rollout_answers import ENDED, PreviewedRule, RemoteRollout, RemoteRule, RolloutChange
from inference_client.rules.ab_answers import RemoteAbReport

Document = Mapping[str, Any]


class RunFlow(Protocol):
    """Makes a call on this thread."""

    def __call__(self, flow: Flow[Answer], /) -> Answer: ...  # noqa: D102


class RunFlowAsync(Protocol):
    """Makes a call on the event loop."""

    async def __call__(self, flow: Flow[Answer], /) -> Answer: ...  # noqa: D102


def _reader(rollout_id: int) -> EventReader:
    return EventReader(f"{ROLLOUTS}/{rollout_id}/events", ends=ENDED)


def _change(event: JobEvent) -> RolloutChange:
    return msgspec.convert(event.data, RolloutChange)


class Rollouts:
    """Rules and roll-outs, for threads."""

    def __init__(
        self, calls: RolloutCalls, run: RunFlow, follow: Callable[[EventReader], Iterator[JobEvent]]
    ) -> None:
        """Make calls by `run` and read events by `follow`."""
        self._calls, self._run, self._follow = calls, run, follow

    def start(
        self,
        model: str,
        candidate: str,
        *,
        alias: str = "default",
        plan: Document | None = None,
        reason: str = "",
        ticket: str = "",
    ) -> RemoteRollout:
        """Roll out a version of a model to an alias.

        While another roll-out of the alias is live, the problem's code is `rollout_conflict`, and its
        `rollout` the id of that one: also where the answer to this call was lost and it was tried again.
        """
        why = {"reason": reason, "ticket": ticket}
        return self._run(
            self._calls.start(model, {"candidate": candidate, "alias": alias, "plan": plan, **why})
        )

    def list(self, *, state: str | None = None, model: str | None = None) -> Sequence[RolloutChange]:
        """Return the newest roll-outs, newest first."""
        return self._run(self._calls.rollouts({"state": state, "model": model}))

    def get(self, rollout_id: int) -> RemoteRollout:
        """Return a roll-out."""
        return self._run(self._calls.rollout(rollout_id))

    def pause(self, rollout_id: int, *, reason: str = "") -> RemoteRollout:
        """Take the candidate's share away until a person resumes."""
        return self._run(self._calls.act_on(rollout_id, "pause", {"reason": reason}))

    def resume(self, rollout_id: int, *, reason: str = "") -> RemoteRollout:
        """Let a held roll-out go on."""
        return self._run(self._calls.act_on(rollout_id, "resume", {"reason": reason}))

    def promote(self, rollout_id: int, *, anyway: str | None = None, reason: str = "") -> RemoteRollout:
        """Bring a roll-out to its next step; `anyway` is the reason where evidence is missing."""
        return self._run(self._calls.act_on(rollout_id, "promote", {"anyway": anyway, "reason": reason}))

    def roll_back(self, rollout_id: int, *, reason: str = "") -> RemoteRollout:
        """Send all traffic back to the stable version, and block the candidate."""
        return self._run(self._calls.act_on(rollout_id, "roll_back", {"reason": reason}))

    def cancel(self, rollout_id: int, *, reason: str = "") -> RemoteRollout:
        """End a roll-out without blame for its candidate."""
        return self._run(self._calls.act_on(rollout_id, "cancel", {"reason": reason}))

    def approve(self, rollout_id: int, *, sha256: str | None = None, reason: str = "") -> RemoteRollout:
        """Approve a roll-out's plan; with the `sha256` that was read, only if it is that one still."""
        return self._run(self._calls.act_on(rollout_id, "approve", {"sha256": sha256, "reason": reason}))

    def budget(self, rollout_id: int, jobs: int, *, reason: str = "") -> RemoteRollout:
        """Let the candidate meet `jobs` in all until it is proven."""
        return self._run(self._calls.act_on(rollout_id, "budget", {"budget": jobs, "reason": reason}))

    def record(self, rollout_id: int) -> dict[str, Any]:
        """Return the change record of a roll-out."""
        return self._run(self._calls.record(rollout_id))

    def record_page(self, rollout_id: int) -> str:
        """Return the change record of a roll-out as Markdown."""
        return self._run(self._calls.record_page(rollout_id))

    def rules(self, model: str, *, alias: str | None = None) -> Sequence[RemoteRule]:
        """Return the rules of a model, newest first: of each alias the first is in force."""
        return self._run(self._calls.rules(model, alias))

    def put_rule(
        self, model: str, document: Document, *, alias: str = "default", reason: str = ""
    ) -> RemoteRule:
        """Put a rule in force for an alias."""
        contents = {"document": document, "alias": alias, "reason": reason}
        return self._run(self._calls.put_rule(model, contents))

    def preview(
        self,
        model: str,
        document: Document,
        *,
        alias: str = "default",
        asks: Sequence[Document] | None = None,
        last: int | None = None,
    ) -> PreviewedRule:
        """Return what a rule would decide: for jobs as `asks` describe them, or the `last` stored ones."""
        contents = {"document": document, "alias": alias, "asks": asks, "last": last}
        return self._run(self._calls.preview(model, contents))

    def ab_report(self, model: str, rule: int, *, alias: str = "default") -> RemoteAbReport:
        """Return what the A/B test of a rule, by its number, has shown so far."""
        return self._run(self._calls.ab_report(model, rule, alias))

    def ab_page(self, model: str, rule: int, *, alias: str = "default") -> str:
        """Return the report of an A/B test as an HTML page with its pictures."""
        return self._run(self._calls.ab_page(model, rule, alias))

    def watch(self, rollout_id: int) -> Iterator[RolloutChange]:
        """Yield how a roll-out stands, now and after each change, until it has ended; across reconnects."""
        yield from map(_change, self._follow(_reader(rollout_id)))


class AsyncRollouts:
    """Rules and roll-outs, for asyncio."""

    def __init__(
        self, calls: RolloutCalls, run: RunFlowAsync, follow: Callable[[EventReader], AsyncIterator[JobEvent]]
    ) -> None:
        """Make calls by `run` and read events by `follow`."""
        self._calls, self._run, self._follow = calls, run, follow

    async def start(
        self,
        model: str,
        candidate: str,
        *,
        alias: str = "default",
        plan: Document | None = None,
        reason: str = "",
        ticket: str = "",
    ) -> RemoteRollout:
        """Roll out a version of a model to an alias.

        While another roll-out of the alias is live, the problem's code is `rollout_conflict`, and its
        `rollout` the id of that one: also where the answer to this call was lost and it was tried again.
        """
        why = {"reason": reason, "ticket": ticket}
        return await self._run(
            self._calls.start(model, {"candidate": candidate, "alias": alias, "plan": plan, **why})
        )

    async def list(self, *, state: str | None = None, model: str | None = None) -> Sequence[RolloutChange]:
        """Return the newest roll-outs, newest first."""
        return await self._run(self._calls.rollouts({"state": state, "model": model}))

    async def get(self, rollout_id: int) -> RemoteRollout:
        """Return a roll-out."""
        return await self._run(self._calls.rollout(rollout_id))

    async def pause(self, rollout_id: int, *, reason: str = "") -> RemoteRollout:
        """Take the candidate's share away until a person resumes."""
        return await self._run(self._calls.act_on(rollout_id, "pause", {"reason": reason}))

    async def resume(self, rollout_id: int, *, reason: str = "") -> RemoteRollout:
        """Let a held roll-out go on."""
        return await self._run(self._calls.act_on(rollout_id, "resume", {"reason": reason}))

    async def promote(self, rollout_id: int, *, anyway: str | None = None, reason: str = "") -> RemoteRollout:
        """Bring a roll-out to its next step; `anyway` is the reason where evidence is missing."""
        return await self._run(
            self._calls.act_on(rollout_id, "promote", {"anyway": anyway, "reason": reason})
        )

    async def roll_back(self, rollout_id: int, *, reason: str = "") -> RemoteRollout:
        """Send all traffic back to the stable version, and block the candidate."""
        return await self._run(self._calls.act_on(rollout_id, "roll_back", {"reason": reason}))

    async def cancel(self, rollout_id: int, *, reason: str = "") -> RemoteRollout:
        """End a roll-out without blame for its candidate."""
        return await self._run(self._calls.act_on(rollout_id, "cancel", {"reason": reason}))

    async def approve(self, rollout_id: int, *, sha256: str | None = None, reason: str = "") -> RemoteRollout:
        """Approve a roll-out's plan; with the `sha256` that was read, only if it is that one still."""
        return await self._run(
            self._calls.act_on(rollout_id, "approve", {"sha256": sha256, "reason": reason})
        )

    async def budget(self, rollout_id: int, jobs: int, *, reason: str = "") -> RemoteRollout:
        """Let the candidate meet `jobs` in all until it is proven."""
        return await self._run(self._calls.act_on(rollout_id, "budget", {"budget": jobs, "reason": reason}))

    async def record(self, rollout_id: int) -> dict[str, Any]:
        """Return the change record of a roll-out."""
        return await self._run(self._calls.record(rollout_id))

    async def record_page(self, rollout_id: int) -> str:
        """Return the change record of a roll-out as Markdown."""
        return await self._run(self._calls.record_page(rollout_id))

    async def rules(self, model: str, *, alias: str | None = None) -> Sequence[RemoteRule]:
        """Return the rules of a model, newest first: of each alias the first is in force."""
        return await self._run(self._calls.rules(model, alias))

    async def put_rule(
        self, model: str, document: Document, *, alias: str = "default", reason: str = ""
    ) -> RemoteRule:
        """Put a rule in force for an alias."""
        contents = {"document": document, "alias": alias, "reason": reason}
        return await self._run(self._calls.put_rule(model, contents))

    async def preview(
        self,
        model: str,
        document: Document,
        *,
        alias: str = "default",
        asks: Sequence[Document] | None = None,
        last: int | None = None,
    ) -> PreviewedRule:
        """Return what a rule would decide: for jobs as `asks` describe them, or the `last` stored ones."""
        contents = {"document": document, "alias": alias, "asks": asks, "last": last}
        return await self._run(self._calls.preview(model, contents))

    async def ab_report(self, model: str, rule: int, *, alias: str = "default") -> RemoteAbReport:
        """Return what the A/B test of a rule, by its number, has shown so far."""
        return await self._run(self._calls.ab_report(model, rule, alias))

    async def ab_page(self, model: str, rule: int, *, alias: str = "default") -> str:
        """Return the report of an A/B test as an HTML page with its pictures."""
        return await self._run(self._calls.ab_page(model, rule, alias))

    async def watch(self, rollout_id: int) -> AsyncIterator[RolloutChange]:
        """Yield how a roll-out stands, now and after each change, until it has ended; across reconnects."""
        async for event in self._follow(_reader(rollout_id)):
            yield _change(event)
