"""The actor's name of a command, for the audit."""

from __future__ import annotations

from getpass import getuser


def actor() -> str:
    """Return `command:` and the login's name; `command` alone for a user without a name."""
    try:
        return f"command:{getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return "command"
