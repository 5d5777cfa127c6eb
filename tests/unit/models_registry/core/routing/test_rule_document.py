"""The document of a rule names what is wrong in its parts."""

from __future__ import annotations

import pytest

from models_registry.core.registry_errors import RuleError
from models_registry.core.routing.rule_document import RuleDocument

WRONG = [
    *(("share", value) for value in (float("nan"), float("inf"), -0.1, 1.1, "all")),
    *(("batch_s", value) for value in (float("nan"), float("inf"), 0, 11, "long")),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_number_of_a_shadow_is_named_by_its_place(field: str, value: object) -> None:
    with pytest.raises(RuleError, match=rf"\$\.shadow\.{field}"):
        RuleDocument.of({"stable": "1", "shadow": {"version": "2", field: value}})
