"""The calls on reports of cascades, as generators like all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec

from inference_client.calls import JSON, Calls, Flow, Send
from inference_client.cascade_answers import RemoteCascade

HTML, PNG = "text/html", "image/png"


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
