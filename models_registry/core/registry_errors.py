"""The root of every error here, and the registry's own: the docstring is the message, `code` is stable."""

from __future__ import annotations

from typing import Any, ClassVar


class PlatformError(Exception):
    """Something went wrong in the platform."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))
        self.details = details


class ModelNotFoundError(PlatformError):
    """There is no such model, version or alias."""

    code = "model_not_found"


class InvalidInputError(PlatformError):
    """The input breaks the model's schema; a model may raise it for an item it cannot take."""

    code = "invalid_input"


class RetryableError(PlatformError):
    """The model could not answer now but may later; a model may raise it."""

    code = "retryable"
    retryable = True


class RegistrationError(PlatformError):
    """The model version cannot be registered as described."""

    code = "registration"


class ArtifactMismatchError(PlatformError):
    """The artifact's hash is not the one that was registered."""

    code = "artifact_mismatch"


class LoaderRefusedError(PlatformError):
    """The settings do not allow an artifact of this kind to be loaded."""

    code = "loader_refused"


class LoadFailedError(PlatformError):
    """The model version could not be loaded and warmed on this worker."""

    code = "load_failed"
    retryable = True


class BadOutputError(PlatformError):
    """The model's outputs do not match its inputs in number or form."""

    code = "bad_output"


class NotFiniteError(BadOutputError):
    """The model's output holds NaN or infinity, and the version's settings refuse such outputs for good."""

    code = "not_finite"


class OverBudgetError(PlatformError):
    """The model version needs more memory than this worker may use."""

    code = "over_memory_budget"
