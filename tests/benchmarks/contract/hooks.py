"""What the case generator does not know by itself: JSON Lines, one value a line."""

from __future__ import annotations

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")  # type: ignore[untyped-decorator]  # in its own environment
def ndjson(_context: Any, value: Any) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in (value if isinstance(value, list) else [value]))
