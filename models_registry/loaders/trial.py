"""A trial in a process of its own: what is registered is imported, loaded and run on an input.

Code of a model may hang, or end the process that loads it, so neither happens in the one that registers. The
process needs no Django, and torch only for a model that does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from models_registry.core.output import Output
from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import LoaderRefusedError, LoadFailedError, RegistrationError
from models_registry.core.runner import Item, Runner, answer, schemas_of
from models_registry.core.version import VersionInfo
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.loaders.load import ANY_FOLDER, FOLDER, Permissions
from models_registry.loaders.loader_options import check_entry_options
from models_registry.loaders.ready import ready
from models_registry.shared.child_path import child_env
from models_registry.shared.platform_errors import PlatformError
from models_registry.shared.process_end import end_with_parent

WORDS_SHOWN = 1_500
_WRITTEN = tuple(part.name for part in fields(VersionInfo) if part.init)


class Report(msgspec.Struct):
    """How a trial ended: seconds and the output of an input, if one was given; or the error."""

    load_s: float = 0.0
    run_s: float = 0.0
    output: Any = None
    input_schema: dict[str, Any] = {}
    output_schema: dict[str, Any] = {}
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial that went well: its seconds, the output in its JSON form, and what the model printed.

    The schemas are those that the loader derives of the artifact; empty where it derives none.
    """

    load_s: float
    run_s: float
    output: Any
    printed: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]


def trial(
    info: VersionInfo,
    permissions: Permissions,
    *,
    limit_s: float,
    unlisted: bool = False,
    item: Item | None = None,
) -> Tried:
    """Load the version in a process of its own, on the CPU, and run `item` there if there is one.

    `unlisted` allows the version's own entry point though MODEL_ENTRY_POINTS does not name it: whoever runs a
    command here may import it anyway. LoaderRefusedError where the version cannot be tried here,
    RegistrationError for a wrong option of an entry point, LoadFailedError for anything else that fails.
    """
    values = {name: getattr(info, name) for name in _WRITTEN}
    order = {"info": values, "permissions": permissions, "unlisted": unlisted}
    if item is not None:
        order["item"] = {"input": item.input, "parameters": dict(item.parameters)}
    words = [sys.executable, "-m", __name__, str(os.getpid())]
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=child_env(),
    )
    try:
        answered, errors = process.communicate(msgspec.json.encode(order), timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise LoadFailedError(f"{info} was not loaded within {limit_s:g} s.") from None
    finally:
        _end(process)
    return _tried(info, process.returncode, answered, errors)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _tried(info: VersionInfo, status: int, answered: bytes, errors: bytes) -> Tried:
    printed, _, last = answered.rpartition(b"\n")
    words = errors.decode("utf-8", "replace").strip()
    try:
        report = msgspec.json.decode(last, type=Report)
    except msgspec.DecodeError:
        raise LoadFailedError(
            f"Loading {info} ended its process with status {status}: {words[-WORDS_SHOWN:]}"
        ) from None
    for kind in (LoaderRefusedError, RegistrationError):
        if report.code == kind.code:
            raise kind(report.message)
    if report.code:
        raise LoadFailedError("\n".join(filter(None, (report.message, words[-WORDS_SHOWN:]))))
    shown = "\n".join(filter(None, (printed.decode("utf-8", "replace").strip(), words)))
    schemas = report.input_schema, report.output_schema
    return Tried(report.load_s, report.run_s, report.output, shown, *schemas)


def main() -> None:
    """Carry out the order on the standard input, and write the report as the last line of the output."""
    end_with_parent(int(sys.argv[1]))
    order = msgspec.json.decode(sys.stdin.buffer.read())
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the devices belong to the workers
    sys.path.insert(0, str(Path.cwd()))
    try:
        report = _carried_out(order)
    except PlatformError as error:
        _show(error.__cause__)
        report = Report(code=error.code, message=str(error))
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(report))
    sys.stdout.buffer.flush()
    sys.stderr.flush()
    os._exit(0)  # threads that the model started must not hold the end


def _carried_out(order: dict[str, Any]) -> Report:
    info = VersionInfo(**order["info"])
    permissions = msgspec.convert(order["permissions"], Permissions)
    if info.loader == FOLDER and order["unlisted"]:
        permissions = replace(permissions, folders=(ANY_FOLDER,))
    if info.loader == "entry_point" and info.artifact not in BUILT_IN.values():
        permissions = _permitted(info, permissions, unlisted=order["unlisted"])
        _check_entry(info, permissions)
    loaded = ready(info, "cpu", permissions, lambda: True)
    taken, given = schemas_of(loaded.runner)
    report = Report(load_s=loaded.load_s, input_schema=taken, output_schema=given)
    if "item" in order:
        began = monotonic()
        report.output = _output(loaded.runner, info, Item(**order["item"]))
        report.run_s = monotonic() - began
    return report


def _permitted(info: VersionInfo, permissions: Permissions, *, unlisted: bool) -> Permissions:
    if not unlisted or info.artifact in permissions.entry_points:
        return permissions
    module = info.artifact.partition(":")[0].partition(".")[0]
    if not module.isidentifier() or find_spec(module) is not None:
        return replace(permissions, entry_points=(*permissions.entry_points, info.artifact))
    raise LoaderRefusedError(
        f"there is no module {module} here, so neither its options nor its example are checked."
        " Run the command where the module is installed to check them."
    )


def _check_entry(info: VersionInfo, permissions: Permissions) -> None:
    try:
        check_entry_options(info.artifact, info.options, permissions.entry_points)
    except PlatformError:
        raise
    except BaseException as error:
        name = type(error).__name__
        raise LoadFailedError(f"{info.artifact!r} cannot be imported: {name}: {error}") from error


def _output(runner: Runner, info: VersionInfo, item: Item) -> Any:
    try:
        (output,) = answer(runner, [item])
        if isinstance(output, BaseException):
            raise output  # noqa: TRY301  # one handler for the item and its batch
        return output.value() if isinstance(output, Output) else plain(output)
    except BaseException as error:
        raise LoadFailedError(f"{info} fails on this input: {type(error).__name__}: {error}") from error


def _show(cause: BaseException | None) -> None:
    """Print the model's own exception, which the one who wrote the model has to see with its lines.

    Of what the platform raises, such as for an invalid input, the message says all.
    """
    if cause is not None and not isinstance(cause, PlatformError):
        traceback.print_exception(cause)


if __name__ == "__main__":
    main()
