"""A body that the case generator cannot write by itself: JSON Lines, one value a line."""

from __future__ import annotations

import json
from typing import Any

import schemathesis  # type: ignore[import-not-found]  # in an environment of its own


@schemathesis.serializer("application/x-ndjson")  # type: ignore[untyped-decorator]  # it ships none to us
def ndjson(_context: Any, value: Any) -> bytes:
    return b"\n".join(json.dumps(item).encode() for item in (value if isinstance(value, list) else [value]))
