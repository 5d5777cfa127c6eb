"""Translates an exception into a failure of the closed set, fit to be stored."""

from __future__ import annotations

import traceback

from jobs.core.failures import Failure, FailureKind
from jobs.worker.stages.known_code import known_of
from models_registry.core.faults import Table, code_of, fault_of, text_of
from models_registry.loaders.fault_tables import COMMON

MESSAGE_CHARS, TRACEBACK_CHARS = 2_000, 8_000


def failure_of(error: BaseException, table: Table = COMMON) -> Failure:
    """Return the failure that an item's exception means, by its loader's table.

    SystemExit, KeyboardInterrupt, CancelledError and the like are failures as others are: on the thread of a
    stage they come from the model's own code, never from a signal, and the process is unharmed.
    """
    trace = "".join(traceback.format_exception(error))[-TRACEBACK_CHARS:]
    kind, code = FailureKind(fault_of(error, table).value), code_of(error)
    message = _storable(text_of(error)[:MESSAGE_CHARS]) or code
    return Failure(kind, code[:63], message, _storable(trace), known_of(error))


def _storable(text: str) -> str:
    """Return `text` without characters that Postgres or UTF-8 cannot hold: a message may quote any input."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
