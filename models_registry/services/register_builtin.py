"""The models that come with the platform: a real one, and stand-ins for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.core.version import VersionInfo
from models_registry.loaders.artifact import KNOWN_DIGESTS, MINILM
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.models import Alias, Loader, ModelVersion
from models_registry.services.alias_moves import move_alias
from models_registry.services.register import register_version

VERSION = "1"
OBJECT = {"type": "object"}
TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}},
    "required": ["text"],
    "additionalProperties": False,
}
EMBEDDING = {
    "type": "object",
    "properties": {
        "embedding": {"type": "array", "items": {"type": "number"}, "minItems": 384, "maxItems": 384}
    },
    "required": ["embedding"],
    "additionalProperties": False,
}
_STAND_IN = {"loader": Loader.ENTRY_POINT, "input_schema": OBJECT, "output_schema": OBJECT, "example": {}}
MODELS: Mapping[str, Mapping[str, Any]] = {
    "minilm": {
        "loader": Loader.TRANSFORMER,
        "artifact": MINILM,
        "sha256": KNOWN_DIGESTS[MINILM],
        "input_schema": TEXT,
        "output_schema": EMBEDDING,
        "example": {"text": "A sentence to warm up with."},
        # On a CPU padding costs most, and batches of eight ran fastest; a GPU needs large ones to be busy.
        "max_batch": 8,
        "max_padded_size": 4_096,
        "options": {"profiles": {"cuda": {"max_batch": 64, "max_padded_size": 0}}},
        "padded": True,
    },
    "echo": {**_STAND_IN, "artifact": BUILT_IN["echo"], "max_batch": 256},
    "sleeper": {**_STAND_IN, "artifact": BUILT_IN["sleeper"], "max_batch": 64},
}


def register_builtin_models() -> list[VersionInfo]:
    """Register version 1 of each built-in model, and point the alias `default` at it, unless these exist.

    A version that an earlier release registered stays as it is: versions do not change. The weights of minilm
    need not be installed here: this release knows their hash.
    """
    registered = []
    for name, fields in MODELS.items():
        stored = ModelVersion.objects.select_related("model").filter(model__name=name, version=VERSION)
        row = stored.first()
        info = VersionInfo.of(row) if row else register_version(name=name, version=VERSION, **fields)
        registered.append(info)
        if not Alias.objects.filter(model__name=name, name=DEFAULT_ALIAS).exists():
            move_alias(name=name, alias=DEFAULT_ALIAS, version=VERSION)
    return registered
