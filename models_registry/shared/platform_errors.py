"""The root of every error in both apps: the docstring is the message, `code` is stable."""

from __future__ import annotations

from typing import Any, ClassVar


class PlatformError(Exception):
    """Something went wrong in the platform."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))
        self.details = details
