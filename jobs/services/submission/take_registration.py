"""Register a version of a model for a client, who may be a stranger to the hosts.

The trial runs in a process of its own and takes memory, so that few of them run at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import msgspec
from django.conf import settings

from jobs.core.errors import PayloadUnavailableError, TooManyCallsError, UploadNotFoundError
from jobs.core.submission.file_references import Reference
from jobs.core.submission.registration_request import (
    RegistrationRequest,
    check_source,
    file_name,
    first_line,
    refuse_folder,
)
from jobs.payloads.sealed_objects import copy_file
from jobs.services.access.owner import Owner
from jobs.services.submission.attachments import uploads_of
from models_registry.core.registry_errors import (
    LoadFailedError,
    RegistrationError,
    StoreFailedError,
    TrialFailedError,
)
from models_registry.services import Asked, Terms, register
from models_registry.services.registering import Registered

TERMS = Terms(listed=True, load_limit_s=120.0, fetch_limit_s=600.0)
RETRY_AFTER_S = 10
MOST_AT_ONCE = 2  # of a web process
_running, _lock = set[int](), Lock()


def take_registration(*, owner: Owner, name: str, request: RegistrationRequest) -> Registered:
    """Fetch, check, try and register a version; `is_new` is False where it was registered before.

    ModelNotAllowedError, UploadNotFoundError, TooManyCallsError while one of the client is tried,
    TrialFailedError, RegistrationError and its kinds. No error names a folder of the server.
    """
    owner.check_model(name)
    refuse_folder(request.loader)
    asked = Asked(
        name=name,
        version=request.version,
        loader=request.loader,
        sha256=request.sha256 or "",
        signature=request.signature or b"",
        contents=request.contents,
    )
    try:
        with _turn(owner.id), _placed(owner, request, asked) as placed:
            return register(placed, actor=owner.actor, terms=TERMS)
    except StoreFailedError as error:
        raise PayloadUnavailableError from error
    except LoadFailedError as error:
        raise TrialFailedError(first_line(str(error))) from error
    except RegistrationError as error:
        raise type(error)(first_line(str(error))) from error


@contextmanager
def _placed(owner: Owner, request: RegistrationRequest, asked: Asked) -> Iterator[Asked]:
    """Yield the request with the place of its artifact; an upload is copied, and the copy deleted after."""
    if request.upload is None:
        yield _elsewhere(request, asked)
        return
    name = file_name(request.loader)
    pair = uploads_of(owner, [Reference("upload", str(request.upload))]).get(request.upload)
    if pair is None:
        raise UploadNotFoundError(f"There is no upload '{request.upload}'.")
    with tempfile.TemporaryDirectory(prefix="upload-") as folder:
        path = Path(folder, name)
        copy_file(pair[1], path, client=owner.id)
        shown = f"upload:{request.upload}"
        yield msgspec.structs.replace(asked, source=str(path), shown_source=shown)


def _elsewhere(request: RegistrationRequest, asked: Asked) -> Asked:
    config = settings.INFERENCE
    if request.source is not None:
        check_source(request.source, tuple(config.model_sources))
        return msgspec.structs.replace(asked, source=request.source)
    if request.loader != "entry_point" or request.entry_point not in config.model_entry_points:
        raise RegistrationError(
            "An entry point needs the loader `entry_point`, and a place in MODEL_ENTRY_POINTS of the server."
        )
    return msgspec.structs.replace(asked, artifact=request.entry_point)


@contextmanager
def _turn(client: int) -> Iterator[None]:
    with _lock:
        if client in _running or len(_running) >= MOST_AT_ONCE:
            words = "Another version is registered now: send this one again after it."
            raise TooManyCallsError(words, retry_after_s=RETRY_AFTER_S)
        _running.add(client)
    try:
        yield
    finally:
        with _lock:
            _running.discard(client)
