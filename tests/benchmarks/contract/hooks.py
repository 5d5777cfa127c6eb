"""A body that the case generator cannot write by itself: JSON Lines, one value a line.

The description calls such a body bytes. An extension says what a line of it holds, and takes its place here.
"""

from __future__ import annotations

import json
from typing import Any

import schemathesis  # type: ignore[import-not-found]  # in an environment of its own


@schemathesis.serializer("application/x-ndjson")  # type: ignore[untyped-decorator]  # it ships none to us
def ndjson(_context: Any, value: Any) -> bytes:
    return b"\n".join(json.dumps(item).encode() for item in (value if isinstance(value, list) else [value]))


@schemathesis.hook  # type: ignore[untyped-decorator]  # it ships none to us
def before_load_schema(_context: Any, schema: dict[str, Any]) -> None:
    for call in (call for calls in schema["paths"].values() for call in calls.values()):
        for described in (call.get("requestBody", {}), *call["responses"].values()):
            media = described.get("content", {}).get("application/x-ndjson")
            if media is not None:
                media["schema"] = media["x-itemSchema"]
                media.pop("examples", None)  # each is a whole text
