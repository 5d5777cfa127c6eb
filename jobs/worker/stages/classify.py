"""Translates an exception into a failure of the closed set, fit to be stored."""

from __future__ import annotations

import traceback

from jobs.core.failures import Failure, FailureKind
from jobs.worker.stages.known_code import known_of
from models_registry.core.faults import Fault, Table, code_of, fault_of, text_of
from models_registry.core.registry_errors import DeviceLostError
from models_registry.loaders.devices.own_device import own_device
from models_registry.loaders.fault_tables import COMMON

MESSAGE_CHARS, TRACEBACK_CHARS = 2_000, 8_000


def failure_of(error: BaseException, table: Table = COMMON) -> Failure:
    """Return the failure that an item's exception means, by its loader's table.

    SystemExit, KeyboardInterrupt, CancelledError and the like are failures as others are: on the thread of a
    stage they come from the model's own code, never from a signal, and the process is unharmed. One that
    names the device lets it be probed: where the device is lost, that is the failure.
    """
    fault, device = fault_of(error, table), own_device()
    if fault is not Fault.RESOURCE and device.lost_by(error):
        error = device.error().with_traceback(error.__traceback__)
        fault = Fault.CRASH
    elif fault is Fault.CRASH and device.probed:
        fault = Fault.INTERNAL  # it quotes the words of a lost device, but this one answers
    trace = "".join(traceback.format_exception(error))[-TRACEBACK_CHARS:]
    kind, code = FailureKind(fault.value), code_of(error)
    message = _storable(text_of(error)[:MESSAGE_CHARS]) or code
    return Failure(kind, code[:63], message, _storable(trace), known_of(error))


def is_device_loss(failure: Failure) -> bool:
    """Return whether the failure is that of a lost device, and so of no job: it must not be stored."""
    return (
        failure.kind is FailureKind.CRASH
        and failure.code == DeviceLostError.code
        and own_device().loss is not None
    )


def _storable(text: str) -> str:
    """Return `text` without characters that Postgres or UTF-8 cannot hold: a message may quote any input."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
