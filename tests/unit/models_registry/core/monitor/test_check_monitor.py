"""What may be watched: places that the schemas have, and nothing that a version protects."""

from __future__ import annotations

from typing import Any

import pytest

from models_registry.core.monitor.check_monitor import check_monitor, is_secret
from models_registry.core.monitor.monitor_option import Monitor
from models_registry.core.options import PlatformOptions
from models_registry.core.registry_errors import RegistrationError

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "age": {"type": "integer"},
        "name": {"type": "string", "x-pii": True},
        "user": {"type": "object", "properties": {"id": {"type": "string", "x-subject": True}}},
        "scores": {"type": "array", "items": {"type": "number", "x-pii": True}},
        "vector": {"type": "array", "items": {"type": "number"}},
        "0": {"type": "number"},
    },
}
CLOSED = SCHEMA | {"additionalProperties": False}
HOOK = {"webhook_url": "https://hooks.example/drift", "webhook_client": "operators"}


def check(*, encrypt: bool = False, output: Any = None, **monitor: Any) -> None:
    option = PlatformOptions.of({"monitor": monitor}).monitor
    check_monitor(option, SCHEMA, SCHEMA if output is None else output, encrypt=encrypt)


@pytest.mark.parametrize(
    "monitor",
    [
        {},
        {"enabled": True},
        {"inputs": ["/age", "/vector", "/vector/0", "/0", "/user"], "label": "/age", **HOOK},
        {"vector": "", "purge_cache": True},
    ],
)
def test_places_that_a_schema_has_are_watched(monitor: dict[str, Any]) -> None:
    output: dict[str, Any] | None = {} if monitor.get("vector") == "" else None
    check(**monitor, output=output)


@pytest.mark.parametrize(
    ("monitor", "words"),
    [
        ({"inputs": ["/age", "/name"]}, "marks what is at '/name' as personal data"),
        ({"inputs": ["/name/first"]}, "nothing at '/name/first'"),
        ({"inputs": ["/user/id"]}, "marks what is at '/user/id' as personal data or as a subject"),
        ({"inputs": ["/scores"]}, "marks what is at '/scores'"),
        ({"inputs": ["/scores/2"]}, "marks what is at '/scores/2'"),
        ({"label": "/name"}, "output schema marks"),
        ({"confidence": "/sure"}, "The output schema has nothing at '/sure', which `monitor` names."),
        ({"enabled": True, "webhook_url": "https://hooks.example/"}, "together"),
        ({"webhook_client": "operators", "enabled": True}, "together"),
        ({"purge_cache": True}, "watches nothing"),
        (HOOK, "watches nothing"),
    ],
)
def test_what_is_not_there_or_is_secret_is_refused_by_name(monitor: dict[str, Any], words: str) -> None:
    with pytest.raises(RegistrationError, match=words):
        check(**monitor, output=CLOSED)


@pytest.mark.parametrize(
    "monitor",
    [
        {"inputs": ["age"]},
        {"inputs": [""]},
        {"inputs": ["/a"] * 17},
        {"inputs": ["/" + "a" * 101]},
        {"inputs": ["/a\x00"]},
        {"inputs": "/a"},
        {"confidence": 0.5},
        {"label": ["/a"]},
        {"webhook_url": "ftp://hooks.example/"},
        {"webhook_url": "https://"},
        {"webhook_client": ""},
        {"purge_cache": float("nan")},
        {"surprise": 1},
        [],
        None,
    ],
)
def test_an_option_that_is_none_is_refused(monitor: Any) -> None:
    with pytest.raises(RegistrationError, match="monitor"):
        PlatformOptions.of({"monitor": monitor})


def test_of_encrypted_jobs_only_the_size_of_inputs_is_watched() -> None:
    check(encrypt=True, enabled=True)
    for monitor in ({"inputs": ["/age"]}, {"label": "/age"}, {"vector": ""}):
        with pytest.raises(RegistrationError, match="can only watch the size"):
            check(encrypt=True, **monitor)


def test_if_in_doubt_a_place_is_secret() -> None:
    hidden = {"anyOf": [{"properties": {"a": {"x-pii": True}}}, {"properties": {"a": {}}}]}
    assert is_secret(hidden, "/a")
    assert is_secret({"$ref": "https://elsewhere.example/schema"}, "/a")
    assert is_secret({"x-pii": True}, "/a/b")
    assert not is_secret({}, "/a")


def test_a_version_is_watched_where_anything_is_named() -> None:
    assert not Monitor().on
    assert Monitor(enabled=True).on
    assert Monitor(vector="").on
    assert Monitor(inputs=("/a",)).on
