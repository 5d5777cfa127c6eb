import pytest

from models_registry.core import schema
from models_registry.core.registry_errors import InvalidInputError
from models_registry.core.secrecy import Secrecy

MARKED = {"properties": {"name": {"type": "string", "x-pii": True}}, "additionalProperties": False}


def test_a_version_that_asks_for_nothing_guards_nothing() -> None:
    secrecy = Secrecy.of({"properties": {"a": {}}}, {}, encrypt=False)
    assert secrecy == Secrecy()
    assert not secrecy.guarded


def test_encryption_and_marks_are_distinguished() -> None:
    encrypted, personal, output = (
        Secrecy.of({"properties": {"a": {}}}, {}, encrypt=True),
        Secrecy.of(MARKED, {}, encrypt=False),
        Secrecy.of({}, MARKED, encrypt=False),
    )
    assert [one.guarded for one in (encrypted, personal, output)] == [True] * 3
    assert [one.personal for one in (encrypted, personal, output)] == [False, True, True]
    assert encrypted.names == {"a"}


def test_a_version_with_less_secrecy_may_not_answer_for_one_with_more() -> None:
    nothing, encrypted, personal = Secrecy(), Secrecy(encrypt=True), Secrecy(input_marks=MARKED)
    assert encrypted.covers(nothing)
    assert personal.covers(nothing)
    assert not nothing.covers(encrypted)
    assert not encrypted.covers(personal)


@pytest.mark.parametrize("value", [{"name": 7_777_777}, {"mallory": 1}, {"deep": {"mallory": 1}}])
def test_a_fault_that_must_not_quote_names_the_rule_and_no_data(value: object) -> None:
    import json

    with pytest.raises(InvalidInputError) as raised:
        schema.check(json.dumps(MARKED), value, quoting=False, names={"name"})
    assert "breaks the schema's rule /" in str(raised.value)
    assert not any(word in f"{raised.value}{raised.value.details}" for word in ("7777777", "mallory"))


def test_a_name_that_is_data_is_no_part_of_the_pointer() -> None:
    with pytest.raises(InvalidInputError) as raised:
        schema.check('{"additionalProperties": {"type": "string"}}', {"mallory": 1}, quoting=False)
    assert raised.value.details == {"pointer": "/…"}
