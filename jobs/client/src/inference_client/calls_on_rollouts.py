"""The calls on rules, roll-outs and cascades, as generators like all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec

from inference_client.calls import JSON, Calls, Flow, Send
from inference_client.rollout_answers import (
    PreviewedRule,
    RemoteCascade,
    RemoteRollout,
    RemoteRule,
    RolloutChange,
    RolloutList,
    RuleList,
)

ROLLOUTS = "/api/v1/rollouts"
HTML, PNG = "text/html", "image/png"


class RolloutCalls(Calls):
    """The calls on rules and roll-outs, each tried again as `patience` allows."""

    def start(self, model: str, contents: Mapping[str, Any]) -> Flow[RemoteRollout]:
        """Start a roll-out."""
        return self._rollout(_post(f"{_of(model)}/rollouts", contents))

    def rollouts(self, filters: Mapping[str, Any]) -> Flow[list[RolloutChange]]:
        """List roll-outs, newest first."""
        given = {name: str(value) for name, value in filters.items() if value is not None}
        url = str(httpx.URL(ROLLOUTS, params=given))
        return msgspec.json.decode((yield from self._ask(Send("GET", url))), type=RolloutList).rollouts

    def rollout(self, rollout_id: int) -> Flow[RemoteRollout]:
        """Read a roll-out."""
        return self._rollout(Send("GET", f"{ROLLOUTS}/{rollout_id}"))

    def act_on(self, rollout_id: int, verb: str, contents: Mapping[str, Any]) -> Flow[RemoteRollout]:
        """Act on a roll-out."""
        return self._rollout(_post(f"{ROLLOUTS}/{rollout_id}/{verb}", contents))

    def record(self, rollout_id: int) -> Flow[dict[str, Any]]:
        """Read the change record of a roll-out."""
        content = yield from self._ask(Send("GET", f"{ROLLOUTS}/{rollout_id}/record"))
        return msgspec.json.decode(content, type=dict[str, Any])

    def record_page(self, rollout_id: int) -> Flow[str]:
        """Read the change record of a roll-out as Markdown."""
        headers = {"Accept": "text/markdown"}
        return (
            yield from self._ask(Send("GET", f"{ROLLOUTS}/{rollout_id}/record", headers=headers))
        ).decode()

    def rules(self, model: str, alias: str | None) -> Flow[list[RemoteRule]]:
        """List rules, newest first."""
        url = httpx.URL(f"{_of(model)}/rules", params={} if alias is None else {"alias": alias})
        return msgspec.json.decode((yield from self._ask(Send("GET", str(url)))), type=RuleList).rules

    def put_rule(self, model: str, contents: Mapping[str, Any]) -> Flow[RemoteRule]:
        """Put a rule in force."""
        return msgspec.json.decode(
            (yield from self._ask(_post(f"{_of(model)}/rules", contents))), type=RemoteRule
        )

    def preview(self, model: str, contents: Mapping[str, Any]) -> Flow[PreviewedRule]:
        """Try a rule on jobs."""
        return msgspec.json.decode(
            (yield from self._ask(_post(f"{_of(model)}/rules/preview", contents))), type=PreviewedRule
        )

    def _rollout(self, send: Send) -> Flow[RemoteRollout]:
        return msgspec.json.decode((yield from self._ask(send)), type=RemoteRollout)


def _of(model: str) -> str:
    return f"/api/v1/models/{quote(model, safe='')}"


def _post(url: str, contents: Mapping[str, Any]) -> Send:
    given = {name: value for name, value in contents.items() if value is not None}
    return Send("POST", url, msgspec.json.encode(given), JSON)


class CascadeCalls(Calls):
    """The calls on cascades, each tried again as `patience` allows."""

    def report(self, model: str, number: int, contents: Mapping[str, Any], alias: str) -> Flow[RemoteCascade]:
        """Read the report on a rule's cascade."""
        return msgspec.json.decode(
            (yield from self.written(model, number, contents, alias, {})), type=RemoteCascade
        )

    def written(
        self, model: str, number: int, contents: Mapping[str, Any], alias: str, headers: Mapping[str, str]
    ) -> Flow[bytes]:
        """Read the report in the form that the headers ask for."""
        given = {name: value for name, value in contents.items() if value is not None}
        path = f"/api/v1/models/{quote(model, safe='')}/rules/{number}/cascade"
        url = str(httpx.URL(path, params={"alias": alias}))
        body = msgspec.json.encode(given, enc_hook=str)
        return (yield from self._ask(Send("POST", url, body, {**JSON, **headers})))


def asked(labels: Mapping[UUID | str, Any] | None, at: str | None, most: int | None) -> dict[str, Any]:
    """Return the contents of a call; labels become texts, as the platform compares them."""
    texts = None if labels is None else {str(job): str(label) for job, label in labels.items()}
    return {"labels": texts, "at": at, "most": most}
