import math
from typing import Any

import pytest

from models_registry.shared.finite import is_finite, not_finite_at


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (math.nan, ""),
        ([0.5, math.inf], "/1"),
        ({"a/b": [{"~": (1, -math.inf)}]}, "/a~1b/0/~0/1"),
        ({"late": [[math.nan]], "early": math.nan}, "/early"),
    ],
)
def test_the_first_number_that_json_cannot_carry_is_pointed_at(value: Any, at: str) -> None:
    assert not_finite_at(value) == at
    assert not is_finite(value)


@pytest.mark.parametrize("value", [None, 1, 0.5, "NaN", [], {}, {"a": [1.5, None, True, 10**400]}])
def test_anything_else_is_finite(value: Any) -> None:
    assert not_finite_at(value) is None
    assert is_finite(value)
