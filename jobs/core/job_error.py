"""The error of an ended job for its client: why it has no output, without what is for operators. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from jobs.core.failures import FailureKind
from jobs.core.states import State

CANCELLED_KIND = "cancelled"
CANCELLED_CODE, REVOKED_CODE, DEADLINE_CODE = "cancelled", "revoked", "deadline"
_CANCELS = {
    CANCELLED_CODE: "The job was cancelled by a call of the API.",
    REVOKED_CODE: "The job was cancelled by Celery's revoke.",
}
_EXPIRED = "The job's deadline passed before it ended."
# TorchScript writes the model's own source into its message, before what was raised.
_SCRIPT = re.compile(
    r"(?:The following operation failed in the TorchScript interpreter\.\s*)?"
    r"Traceback of TorchScript.*<--- HERE[^\n]*\n(?:[ \t][^\n]*\n|\n)*(?:builtins\.)?",
    re.DOTALL,
)
# Of Python and TorchScript, and of the C++ below torch, XGBoost and others.
_TRACEBACK = re.compile(
    r"\s*(?:Traceback (?:of TorchScript[^\n]*)?\(most recent call last\)|Traceback of TorchScript"
    r"|Exception raised from [^\n]*\(most recent call first\)|Stack trace:|C\+\+ CapturedTraceback:"
    r"|frame #\d+:).*",
    re.DOTALL,
)
# A file's name says enough. JSON pointers begin with a slash as well, so a path is known by its end, or by
# a folder that every Unix has.
_ROOTS = "bin|boot|dev|etc|home|lib|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var"
_NAMED = r"[\w.@+~-]+"
_PATH = re.compile(
    rf"(?<![\w.:/])(?:/(?:{_ROOTS})(?:/{_NAMED})*/|/(?:{_NAMED}/)+(?={_NAMED}\.(?:py|pyc|so|pt|pth|safetensors|onnx|bin|joblib|skops|cc|cpp|cu|cuh|h|hpp)\b))"
)


class EndError(NamedTuple):
    """The `error` of a job that is dead, cancelled or expired."""

    kind: str
    code: str
    detail: str
    reason: str


def error_of(state: str, *, kind: str, code: str, message: str, reason: str) -> EndError | None:
    """Return the error of a job in `state`, from its row and its dead letter; None where it has none."""
    if state == State.DEAD:
        return EndError(kind, code, for_caller(message), reason)
    if state == State.EXPIRED:
        return EndError(kind or FailureKind.TIMEOUT, code or DEADLINE_CODE, _EXPIRED, "")
    if state == State.CANCELLED:
        code = code if code in _CANCELS else CANCELLED_CODE  # an older row has that of its last attempt
        return EndError(CANCELLED_KIND, code, _CANCELS[code], "")
    return None


def for_caller(message: str) -> str:
    """Return a failure's message without tracebacks, and without the folders of this host."""
    return _PATH.sub("", _TRACEBACK.sub("", _SCRIPT.sub("", message))).rstrip()
