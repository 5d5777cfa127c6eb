from contextlib import suppress
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from models_registry import selectors
from models_registry.core.registry_errors import InvalidInputError, ModelNotFoundError
from models_registry.models import ModelVersion
from models_registry.services import move_alias, register_builtin_models, register_version


@pytest.fixture(autouse=True)
def _registered(db: str) -> None:
    selectors.forget()
    register_builtin_models()


def test_a_name_a_version_and_an_alias_lead_to_the_version() -> None:
    ids = {selectors.resolve(ref).id for ref in ("minilm", "minilm:1", "minilm@default")}
    assert ids == {ModelVersion.objects.get(model__name="minilm").pk}


@pytest.mark.parametrize("ref", ["nobody", "minilm:2", "minilm@canary", "nobody:1", "MINILM", ""])
def test_an_unregistered_version_is_not_found(ref: str) -> None:
    with pytest.raises(ModelNotFoundError):
        selectors.resolve(ref)


def test_a_version_is_found_by_its_row_id() -> None:
    version = selectors.resolve("echo")
    assert selectors.info(version.id) == version
    with pytest.raises(ModelNotFoundError, match="987654"):
        selectors.info(987_654)


def test_a_model_without_the_default_alias_needs_a_version() -> None:
    register_version(
        name="new", version="1", loader="entry_point", artifact="models_registry.loaders.builtin:echo"
    )
    assert selectors.resolve("new:1").model == "new"
    with pytest.raises(ModelNotFoundError, match="new@default"):
        selectors.resolve("new")


def test_a_second_read_sends_no_query(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(selectors, "monotonic", lambda: now[0])
    selectors.forget()

    def queries(ref: str) -> int:
        with CaptureQueriesContext(connection) as context, suppress(ModelNotFoundError):
            selectors.resolve(ref)
        return len(context)

    assert [queries("echo"), queries("echo"), queries("nobody"), queries("nobody")] == [1, 0, 1, 0]
    now[0] += selectors.CACHED_S
    assert [queries("echo"), queries("nobody")] == [1, 1]


def test_a_change_by_another_process_is_read_after_the_cache_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(selectors, "monotonic", lambda: now[0])
    selectors.forget()
    with pytest.raises(ModelNotFoundError):
        selectors.resolve("echo@canary")
    monkeypatch.setattr(selectors, "forget", lambda: None)  # as if the move were another process's
    move_alias(name="echo", alias="canary", version="1")
    with pytest.raises(ModelNotFoundError):
        selectors.resolve("echo@canary")
    now[0] += selectors.CACHED_S
    assert selectors.resolve("echo@canary").version == "1"


def test_the_cache_stays_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "CACHED_ENTRIES", 3)
    for number in range(10):
        with pytest.raises(ModelNotFoundError):
            selectors.resolve(f"nobody-{number}")
    assert len(selectors._cache) <= 3


def test_the_models_and_their_versions_are_listed() -> None:
    assert [model.name for model in selectors.models()] == ["echo", "minilm", "sleeper"]
    assert [row.version for row in selectors.versions("minilm")] == ["1"]
    for read in (selectors.model, selectors.versions):
        with pytest.raises(ModelNotFoundError, match="nobody"):
            read("nobody")


@pytest.mark.parametrize("value", [{"text": "x"}, {"text": "x" * 100_000}, {"text": "\u0000 é 😀"}])
def test_inputs_of_the_schema_pass(value: Any) -> None:
    selectors.validate_input(selectors.resolve("minilm"), value)


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        ({}, "", "text"),
        ({"text": ""}, "/text", "/text"),
        ({"text": 5}, "/text", "/text: 5 is not of type"),
        ({"text": "x", "more": 1}, "", "more"),
        ([], "", "object"),
        ([1, 2], "", "object"),
        (None, "", "object"),
        (float("nan"), "", "object"),
        ({"text": "x", "deep": nested(100_000)}, "", "nests deeper than 100"),
        ({"text": ["x" * 1_000_000]}, "/text", "is not of type"),
    ],
)
def test_an_input_that_breaks_the_schema_is_invalid_and_the_message_names_the_place(
    value: Any, pointer: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        selectors.validate_input(selectors.resolve("minilm"), value)
    assert caught.value.details["pointer"] == pointer
    assert len(str(caught.value)) < 500


def test_a_schema_that_refers_to_itself_does_not_overflow_on_a_deep_input() -> None:
    tree = register_version(
        name="tree",
        version="1",
        loader="entry_point",
        artifact="models_registry.loaders.builtin:echo",
        input_schema={"type": "array", "items": {"$ref": "#"}},
    )
    selectors.validate_input(tree, nested(90))
    with pytest.raises(InvalidInputError, match="nests deeper"):
        selectors.validate_input(tree, nested(100_000))


def test_a_pointer_escapes_its_steps() -> None:
    tree = register_version(
        name="tree",
        version="1",
        loader="entry_point",
        artifact="models_registry.loaders.builtin:echo",
        input_schema={"properties": {"a/b~": {"items": {"type": "integer"}}}},
    )
    with pytest.raises(InvalidInputError) as caught:
        selectors.validate_input(tree, {"a/b~": [1, "x"]})
    assert caught.value.details["pointer"] == "/a~1b~0/1"
