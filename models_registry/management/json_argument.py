"""An argument of a command that is JSON, or a file that holds it."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any


def json_or_file(text: str) -> Any:
    """Return the JSON in `text`, or in the file that `@path` names."""
    try:
        return json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except (OSError, ValueError, RecursionError) as error:
        raise ArgumentTypeError(f"{text[:80]!r} is neither JSON nor @file: {error}") from None
