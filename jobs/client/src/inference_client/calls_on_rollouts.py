"""The calls on rules, their shadows, roll-outs and cascades, as generators like all others."""

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
    RemoteShadow,
    RolloutChange,
    RolloutList,
    RuleList,
)
from inference_client.rules.ab_answers import RemoteAbReport

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

    def ab_report(self, model: str, rule: int, alias: str) -> Flow[RemoteAbReport]:
        """Read what the A/B test of a rule has shown."""
        content = yield from self._ask(Send("GET", _report(model, rule, alias, "report")))
        return msgspec.json.decode(content, type=RemoteAbReport)

    def ab_page(self, model: str, rule: int, alias: str) -> Flow[str]:
        """Read what the A/B test of a rule has shown as HTML."""
        return (yield from self._ask(Send("GET", _report(model, rule, alias, "report.html")))).decode()

    def _rollout(self, send: Send) -> Flow[RemoteRollout]:
        return msgspec.json.decode((yield from self._ask(send)), type=RemoteRollout)


class ShadowCalls(Calls):
    """The calls on shadows, each tried again as `patience` allows."""

    def shadow(self, model: str, number: int, alias: str) -> Flow[RemoteShadow]:
        """Read the shadow of a rule."""
        return self._shadow(Send("GET", _shadow_url(model, number, alias)))

    def act_on(self, model: str, number: int, alias: str, verb: str, reason: str) -> Flow[RemoteShadow]:
        """Stop a shadow, or start it again."""
        body = msgspec.json.encode({"reason": reason})
        return self._shadow(Send("POST", _shadow_url(model, number, alias, f"/{verb}"), body, JSON))

    def report_page(self, model: str, number: int, alias: str) -> Flow[str]:
        """Read the report of a shadow as HTML."""
        return (yield from self._ask(Send("GET", _shadow_url(model, number, alias, "/report.html")))).decode()

    def picture(self, model: str, number: int, alias: str) -> Flow[bytes]:
        """Read the service times of a shadow as a PNG."""
        return (yield from self._ask(Send("GET", _shadow_url(model, number, alias, "/times.png"))))

    def _shadow(self, send: Send) -> Flow[RemoteShadow]:
        return msgspec.json.decode((yield from self._ask(send)), type=RemoteShadow)


def _of(model: str) -> str:
    return f"/api/v1/models/{quote(model, safe='')}"


def _report(model: str, rule: int, alias: str, form: str) -> str:
    return str(httpx.URL(f"{_of(model)}/rules/{rule}/{form}", params={"alias": alias}))


def _post(url: str, contents: Mapping[str, Any]) -> Send:
    given = {name: value for name, value in contents.items() if value is not None}
    return Send("POST", url, msgspec.json.encode(given), JSON)


def _shadow_url(model: str, number: int, alias: str, what: str = "") -> str:
    return str(httpx.URL(f"{_of(model)}/rules/{number}/shadow{what}", params={"alias": alias}))


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
