"""The calls on shadows of rules, as generators like all others."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import msgspec

from inference_client.calls import JSON, Calls, Flow, Send
from inference_client.shadow_answers import RemoteShadow


class ShadowCalls(Calls):
    """The calls on shadows, each tried again as `patience` allows."""

    def shadow(self, model: str, number: int, alias: str) -> Flow[RemoteShadow]:
        """Read the shadow of a rule."""
        return self._shadow(Send("GET", _url(model, number, alias)))

    def act_on(self, model: str, number: int, alias: str, verb: str, reason: str) -> Flow[RemoteShadow]:
        """Stop a shadow, or start it again."""
        body = msgspec.json.encode({"reason": reason})
        return self._shadow(Send("POST", _url(model, number, alias, f"/{verb}"), body, JSON))

    def report_page(self, model: str, number: int, alias: str) -> Flow[str]:
        """Read the report of a shadow as HTML."""
        return (yield from self._ask(Send("GET", _url(model, number, alias, "/report.html")))).decode()

    def picture(self, model: str, number: int, alias: str) -> Flow[bytes]:
        """Read the service times of a shadow as a PNG."""
        return (yield from self._ask(Send("GET", _url(model, number, alias, "/times.png"))))

    def _shadow(self, send: Send) -> Flow[RemoteShadow]:
        return msgspec.json.decode((yield from self._ask(send)), type=RemoteShadow)


def _url(model: str, number: int, alias: str, what: str = "") -> str:
    path = f"/api/v1/models/{quote(model, safe='')}/rules/{number}/shadow{what}"
    return str(httpx.URL(path, params={"alias": alias}))
