"""Keeps what records spans from harming what it records: an error there costs spans, and is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")
log = logging.getLogger(__name__)


def harmless(record: Callable[Given, None]) -> Callable[Given, None]:
    """Decorate a function that records and returns nothing."""
    return or_else(_nothing)(record)


def or_else(
    otherwise: Callable[..., Result],
) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Decorate a function that records: where it fails, `otherwise` returns what its caller goes on with."""

    def decorate(record: Callable[Given, Result]) -> Callable[Given, Result]:
        @wraps(record)
        def recorded(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            try:
                return record(*args, **kwargs)
            except Exception:
                log.exception("a span was not recorded")
                return otherwise(*args, **kwargs)

        return recorded

    return decorate


def _nothing(*_: object, **__: object) -> None:
    pass
