"""What a command prints for machines."""

from __future__ import annotations

from typing import Any

import msgspec


def as_json(value: Any) -> str:
    """Return a value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
