"""The calls on flags, as generators like all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from inference_client.calls import JSON, Calls, Flow, Send
from inference_client.flags.flag_answers import (
    FlagList,
    PreviewedFlag,
    RemoteFlag,
    RemoteFlagChange,
    ShownFlag,
)

FLAGS = "/api/v1/flags"


class FlagCalls(Calls):
    """The calls on flags, each tried again as `patience` allows."""

    def flags(self, filters: Mapping[str, Any]) -> Flow[list[RemoteFlag]]:
        """List flags by name."""
        url = _with(FLAGS, filters)
        return msgspec.json.decode((yield from self._ask(Send("GET", url))), type=FlagList).flags

    def flag(self, name: str) -> Flow[ShownFlag]:
        """Read a flag."""
        return self._shown(Send("GET", _of(name)))

    def put(self, name: str, contents: Mapping[str, Any]) -> Flow[ShownFlag]:
        """Put a flag in force."""
        return self._shown(_sent("PUT", _of(name), contents))

    def remove(self, name: str, query: Mapping[str, Any]) -> Flow[RemoteFlagChange]:
        """Remove a flag."""
        content = yield from self._ask(Send("DELETE", _with(_of(name), query)))
        return msgspec.json.decode(content, type=RemoteFlagChange)

    def preview(self, name: str, contents: Mapping[str, Any]) -> Flow[PreviewedFlag]:
        """Try a flag on jobs."""
        content = yield from self._ask(_sent("POST", f"{_of(name)}/preview", contents))
        return msgspec.json.decode(content, type=PreviewedFlag)

    def _shown(self, send: Send) -> Flow[ShownFlag]:
        return msgspec.json.decode((yield from self._ask(send)), type=ShownFlag)


def _of(name: str) -> str:
    return f"{FLAGS}/{quote(name, safe='')}"


def _with(url: str, query: Mapping[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return str(httpx.URL(url, params=given)) if given else url


def _sent(method: str, url: str, contents: Mapping[str, Any]) -> Send:
    given = {name: value for name, value in contents.items() if value is not None}
    return Send(method, url, msgspec.json.encode(given), JSON)
