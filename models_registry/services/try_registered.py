"""One run of a registered version without a worker, for the person who made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from models_registry import selectors
from models_registry.core import schema
from models_registry.core.registry_errors import BadOutputError, InvalidInputError
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo
from models_registry.loaders.trial import Tried, trial
from models_registry.services.register import permissions
from models_registry.services.registering import MIB
from models_registry.sources.local_copies import LocalCopies


def try_registered(*, ref: str, value: Any, parameters: Mapping[str, Any], limit_s: float) -> Tried:
    """Load what `name`, `name:version` or `name@alias` names in a process of its own, and run one input.

    The input and, where the version has a schema of it, the output are checked as those of a job are.
    ModelNotFoundError, InvalidInputError, BadOutputError, LoaderRefusedError or LoadFailedError.
    """
    return try_info(selectors.resolve(ref), value, parameters, limit_s)


def try_info(info: VersionInfo, value: Any, parameters: Mapping[str, Any], limit_s: float) -> Tried:
    """Run one input on a version, registered or not, as `try_registered` does."""
    selectors.validate_input(info, value)
    copies = LocalCopies(
        Path(settings.INFERENCE.artifact_cache_dir), settings.INFERENCE.artifact_cache_mb * MIB
    )
    try:
        item = Item(value, parameters)
        tried = trial(copies.here(info), permissions(), limit_s=limit_s, unlisted=True, item=item)
    finally:
        copies.let_go(info)
    try:
        schema.check(json.dumps(info.output_schema), tried.output, "output")
    except InvalidInputError as error:
        raise BadOutputError(f"The model answered, and its output breaks its schema: {error}") from None
    return tried
