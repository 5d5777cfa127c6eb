"""Time how long nested values take a schema, in a process of its own that can be ended."""

from __future__ import annotations

import os
import subprocess
import sys

from models_registry.core import nested_values
from models_registry.core.registry_errors import RegistrationError

LIMIT_S = 5.0  # with the start of the process; a schema without growth takes some milliseconds


def check_growth(field: str, schema_text: str) -> None:
    """Raise RegistrationError for a schema, as JSON, that nested values would keep busy for ever."""
    if not nested_values.may_recur(schema_text):
        return
    command = [sys.executable, "-m", nested_values.__name__]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    try:
        ended = subprocess.run(
            command, input=schema_text.encode(), env=paths, timeout=LIMIT_S, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        raise RegistrationError(
            f"{field} takes longer than {LIMIT_S:g} s to check small nested values: it refers to itself in"
            " several places that apply to one value. Let `if` and `then` choose one of them."
        ) from None
    if ended.returncode:
        raise RegistrationError(f"{field} ends the process that checks nested values with it.")
