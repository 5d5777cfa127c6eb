"""Templates: `{{NAME}}` becomes the variable; a name that nothing gives is an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from rendering.env_file import RenderError

VARIABLE = re.compile(r"\{\{([A-Z0-9_]+)\}\}")


def filled(path: Path, variables: Mapping[str, str]) -> str:
    """Return the text of a template with its variables filled in; RenderError."""
    text = path.read_text()
    if missing := sorted({match[1] for match in VARIABLE.finditer(text)} - variables.keys()):
        raise RenderError(f"{path.name} needs {', '.join(missing)}")
    return VARIABLE.sub(lambda match: variables[match[1]], text)
