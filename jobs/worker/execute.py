"""Run: a batch that raises is split until the guilty item stands alone; the others are answered."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from jobs.core.failures import Failure, FailureKind
from jobs.worker.work import Piece
from models_registry.core.errors import InvalidInputError, PlatformError
from models_registry.core.runner import Runner

_TRACEBACK_CHARS = 8_000


def execute(runner: Runner, piece: Piece) -> Iterator[Piece]:
    """Yield pieces that together hold each item once, each with raw outputs or one item's failure."""
    try:
        piece.raw = runner.run(piece.ready if piece.collated else runner.collate(piece.items))
    except Exception as error:  # noqa: BLE001  # a model may raise anything
        if len(piece.items) == 1:
            piece.raw = failure_of(error)
        else:
            for half in _halves(piece):
                yield from execute(runner, half)
            return
    yield piece


def _halves(piece: Piece) -> tuple[Piece, Piece]:
    middle = len(piece.at) // 2
    return (
        Piece(piece.at[:middle], piece.items[:middle]),
        Piece(piece.at[middle:], piece.items[middle:]),
    )


def failure_of(error: BaseException) -> Failure:
    """Return the failure that an item's exception stands for."""
    trace = "".join(traceback.format_exception(error))[-_TRACEBACK_CHARS:]
    code = error.code if isinstance(error, PlatformError) else type(error).__name__
    return Failure(_kind_of(error), code[:63], _storable(str(error)[:2_000]) or code, _storable(trace))


def _storable(text: str) -> str:
    """Return `text` without what Postgres or UTF-8 cannot hold: a model's message may quote any input."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _kind_of(error: BaseException) -> FailureKind:
    if isinstance(error, InvalidInputError):
        return FailureKind.INVALID
    if isinstance(error, PlatformError):
        return FailureKind.TRANSIENT if error.retryable else FailureKind.INTERNAL
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return FailureKind.RESOURCE
    return FailureKind.TIMEOUT if isinstance(error, TimeoutError) else FailureKind.INTERNAL
