"""A table reads exceptions by their types' names; its first row that fits decides."""

from __future__ import annotations

import pytest

from models_registry.core.faults import Fault, Row, fault_of, text_of
from models_registry.core.registry_errors import LoadFailedError, RegistrationError, RetryableError
from models_registry.shared.platform_errors import PlatformError

TABLE = (
    Row("builtins.FileNotFoundError", Fault.INTERNAL),
    Row("builtins.OSError", Fault.TRANSIENT),
    Row("builtins.RuntimeError", Fault.RESOURCE, "too large"),
    Row(f"{__name__}.OddError", Fault.INVALID),
)


class OddError(ValueError):
    """One of a table's."""


class OdderError(OddError):
    """One that no table names."""


class MuteError(OSError):
    """Raises in its own `__str__`."""

    def __str__(self) -> str:
        raise ValueError("no words")


class PassesError(PlatformError):
    """A retryable exception of a model's own."""

    retryable = True


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (FileNotFoundError("gone"), Fault.INTERNAL),
        (ConnectionResetError("cut"), Fault.TRANSIENT),
        (MuteError(), Fault.TRANSIENT),
        (RuntimeError("this is too large for me"), Fault.RESOURCE),
        (RuntimeError("this is odd"), Fault.INTERNAL),
        (OdderError("x"), Fault.INVALID),
        (ValueError("x"), Fault.INTERNAL),
        (RetryableError(), Fault.TRANSIENT),
        (LoadFailedError(), Fault.TRANSIENT),
        (PassesError(), Fault.TRANSIENT),
        (RegistrationError(), Fault.INTERNAL),
    ],
)
def test_the_first_row_that_fits_type_and_text_decides(error: Exception, fault: Fault) -> None:
    assert fault_of(error, TABLE) is fault


def test_an_exception_without_words_has_its_type_s_name() -> None:
    assert text_of(MuteError()) == "MuteError"
