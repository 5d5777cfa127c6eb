"""The document of a rule names what is wrong in its parts."""

from __future__ import annotations

from typing import Any

import pytest

from models_registry.core.registry_errors import RolloutPlanError, RuleError
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.routing.rule_document import RuleDocument

WRONG = [
    *(("share", value) for value in (float("nan"), float("inf"), -0.1, 1.1, "all")),
    *(("batch_s", value) for value in (float("nan"), float("inf"), 0, 11, "long")),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_number_of_a_shadow_is_named_by_its_place(field: str, value: object) -> None:
    with pytest.raises(RuleError, match=rf"\$\.shadow\.{field}"):
        RuleDocument.of({"stable": "1", "shadow": {"version": "2", field: value}})


@pytest.mark.parametrize(
    "field", [{"salt": "a\ud800"}, {"\udfff": 1}, {"cohorts": [{"when": {"\ud800": 1}, "arm": "stable"}]}]
)
def test_half_of_a_surrogate_pair_anywhere_is_refused_in_rules_and_plans(field: dict[str, Any]) -> None:
    with pytest.raises(RuleError, match="A text in the rule holds half of a surrogate pair"):
        RuleDocument.of({"stable": "1"} | field)
    with pytest.raises(RolloutPlanError, match="A text in the plan holds half of a surrogate pair"):
        Plan.of(field)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert RuleDocument.of({"stable": "1", "salt": "\U0001f600"}).salt == "\U0001f600"
