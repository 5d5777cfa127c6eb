import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.core.refs import Ref
from models_registry.core.registry_errors import ModelNotFoundError


def test_a_bare_name_means_its_default_alias() -> None:
    assert Ref.parse("minilm") == Ref("minilm", alias="default")


def test_a_colon_names_a_version_and_an_at_sign_an_alias() -> None:
    assert Ref.parse("minilm:2026-11.1") == Ref("minilm", version="2026-11.1")
    assert Ref.parse("minilm@canary") == Ref("minilm", alias="canary")


@pytest.mark.parametrize(
    "text",
    ["", " ", "a:", "a@", ":1", "@x", "A", "a:1:2", "a@b@c", "a:1@b", "a\n", "a" * 64, "é", "a b", "../a"],
)
def test_anything_else_names_no_model(text: str) -> None:
    with pytest.raises(ModelNotFoundError, match="name:version"):
        Ref.parse(text)


def test_a_very_long_name_is_not_repeated_in_full() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        Ref.parse("x" * 100_000)
    assert len(str(caught.value)) < 300


@given(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}([:@][a-z0-9][a-z0-9._-]{0,62})?", fullmatch=True))
def test_a_reference_that_is_read_and_written_is_the_same(text: str) -> None:
    ref = Ref.parse(text)
    assert Ref.parse(str(ref)) == ref
