"""Who runs a command, for the audit."""

from __future__ import annotations

from getpass import getuser


def actor() -> str:
    """Return the login's name, as a command's."""
    try:
        return f"command:{getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return "command"
