"""Two outputs agree or not, and a pointer that no output can have is refused."""

from __future__ import annotations

from math import inf
from typing import Any
from unittest.mock import Mock

import pytest

from models_registry.core.agreement.agree import agree
from models_registry.core.agreement.option import Agreement
from models_registry.core.agreement.pointers import ABSENT, check_agreement, part_at
from models_registry.core.options import PlatformOptions
from models_registry.core.registry_errors import AgreementError, RegistrationError

NUMBERS = Agreement(by="numbers", atol=0.1, rtol=0.0)
SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "scores": {"type": "array", "items": {"type": "number"}}},
}


@pytest.mark.parametrize(
    ("agreement", "ours", "theirs", "agrees"),
    [
        (Agreement(), {"a": [1, "x"]}, {"a": [1, "x"]}, True),
        (Agreement(), {"a": 1}, {"a": True}, False),
        (Agreement(), [1, 2], [1, 2, 3], False),
        (Agreement(at="/a"), {"a": 1, "b": 2}, {"a": 1, "b": 3}, True),
        (NUMBERS, {"x": [1.0, 2.0]}, {"x": [1.05, 2.0]}, True),
        (NUMBERS, {"x": [1.0, 2.0]}, {"x": [1.2, 2.0]}, False),
        (NUMBERS, {"x": [1.0]}, {"x": [1.0, 2.0]}, False),
        (NUMBERS, {"x": "a"}, {"x": "a"}, True),
        (NUMBERS, {"x": True}, {"x": 1.0}, False),
        (Agreement(by="cosine", cosine=0.99), [1.0, 0.0], [2.0, 0.01], True),
        (Agreement(by="cosine", cosine=0.99), [1.0, 0.0], [0.0, 1.0], False),
        (Agreement(by="cosine"), [1e200, 0.0], [1e200, 0.0], True),
        (Agreement(by="cosine"), [0.0, 0.0], [0.0, 0.0], True),
        (Agreement(by="cosine"), [0.0, 0.0], [1.0, 0.0], False),
        (Agreement(by="label", at="/label"), {"label": "a"}, {"label": "a", "score": 2}, True),
        (Agreement(by="label", at="/label"), {"label": "a"}, {"label": "b"}, False),
        (Agreement(by="label", at="/label"), {"label": "a"}, {}, False),
    ],
)
def test_outputs_agree(agreement: Agreement, ours: Any, theirs: Any, *, agrees: bool) -> None:
    compared = agree(agreement, ours, theirs)
    assert compared.agrees is agrees
    assert compared.distance >= 0.0
    assert agree(agreement, theirs, theirs) == (True, 0.0)


def test_the_distance_grows_with_the_difference() -> None:
    distances = [agree(NUMBERS, [1.0 + off], [1.0]).distance for off in (0.0, 0.05, 0.2, 3.0)]
    assert distances == sorted(distances)
    assert distances[-1] == pytest.approx(30.0)
    assert agree(NUMBERS, [1.0], "text").distance == inf


def test_a_function_of_the_model_s_own_decides() -> None:
    own = Agreement(by="entry_point", entry_point="x:y")
    assert agree(own, 1, 2, own=lambda ours, theirs: theirs == 2 * ours).agrees
    assert agree(own, 1, 2, own=lambda _ours, _theirs: 1.5) == (False, 1.5)
    for verdict in (None, "yes", -1.0, float("nan")):
        with pytest.raises(AgreementError):
            agree(own, 1, 2, own=Mock(return_value=verdict))
    with pytest.raises(AgreementError):
        agree(own, 1, 2)


def test_a_pointer_finds_its_part() -> None:
    value = {"a/b": [{"~": 1}], "n": 0}
    assert part_at(value, "") is value
    assert part_at(value, "/a~1b/0/~0") == 1
    assert part_at(value, "/a~1b/1") is ABSENT
    assert part_at(value, "/n/x") is ABSENT


@pytest.mark.parametrize("pointer", ["/label", "/scores/3", ""])
def test_a_pointer_into_the_schema_is_accepted(pointer: str) -> None:
    check_agreement(Agreement(by="label", at=pointer), SCHEMA)
    check_agreement(Agreement(by="label", at="/anything"), {})
    check_agreement(Agreement(by="label", at="/anything"), {**SCHEMA, "additionalProperties": True})


@pytest.mark.parametrize("pointer", ["/lable", "/label/0", "/scores/3/x"])
def test_a_pointer_that_no_output_has_is_refused(pointer: str) -> None:
    with pytest.raises(AgreementError):
        check_agreement(Agreement(by="label", at=pointer), SCHEMA)


def test_an_agreement_is_an_option_of_a_version() -> None:
    assert PlatformOptions.of({}).agreement == Agreement()
    options = PlatformOptions.of({"agreement": {"by": "cosine", "cosine": 0.9}})
    assert options.agreement.cosine == 0.9
    with pytest.raises(RegistrationError, match="by"):
        PlatformOptions.of({"agreement": {"by": "magic"}})
