"""The exception that `AsyncResult.get()` raises for a dead job, whatever backend reads it."""

from __future__ import annotations


class JobFailedError(Exception):
    """The job's last attempt failed: its message, its failure kind and its error code are the arguments."""

    def __init__(self, message: str = "", kind: str = "", error_code: str = "") -> None:
        super().__init__(message)
        self.args = (message, kind, error_code)
        self.kind, self.error_code = kind, error_code

    def __str__(self) -> str:
        return f"{self.args[0]} ({self.kind}, {self.error_code})"
