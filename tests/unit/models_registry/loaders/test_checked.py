"""A version's options decide how its outputs are judged, each for itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models_registry.core.output import Output
from models_registry.core.registry_errors import BadOutputError, NotFiniteError, RegistrationError
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo
from models_registry.loaders.builtin import Echo, Faulty
from models_registry.loaders.checked import checked

NUMBER = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
VERSION = VersionInfo(
    id=1, model_id=1, model="m", version="1", loader="entry_point", artifact="", sha256="", max_batch=8,
    max_padded_size=0, padded=False, p95_goal_s=1.0, max_attempts=3, input_schema={}, output_schema=NUMBER,
    example=None, options={},
)  # fmt: skip


def judged(options: dict[str, Any], *outputs: Any) -> list[Any]:
    runner = checked(Faulty(), replace(VERSION, options=options))
    items = [Item(output) for output in outputs]
    assert runner.key(items[0]) == ()
    return runner.outputs(runner.run(runner.collate(items)))


def test_a_version_that_asks_for_no_check_pays_for_none() -> None:
    runner = Echo()
    assert checked(runner, VERSION) is runner


def test_an_output_that_breaks_the_schema_is_replaced_by_why() -> None:
    good, bad, odd = judged({"check_output": True}, {"x": 1.5}, {"x": "high"}, {"y": 1})
    assert good == {"x": 1.5}
    assert isinstance(bad, BadOutputError)
    assert str(bad) == 'The model\'s output breaks its schema: /x: "high" is not of type "number"'
    assert isinstance(odd, BadOutputError)


def test_an_array_or_a_date_is_checked_in_the_form_that_it_is_stored_in() -> None:
    runner = checked(Echo(), replace(VERSION, options={"check_output": True}))
    good, bad, nan = runner.outputs([{"x": np.float32(0.5)}, {"x": np.ones(2)}, {"x": np.float32("nan")}])
    assert good == {"x": 0.5}
    assert isinstance(bad, BadOutputError)
    assert "breaks its schema: /x" in str(bad)
    assert isinstance(nan, NotFiniteError)


def test_an_output_of_bytes_is_checked_in_its_json_form_and_stays_bytes() -> None:
    runner = checked(Echo(), replace(VERSION, options={"check_output": True}))
    one = Output.of_array(np.array(1.5), field="x")
    good, bad, torn = runner.outputs([one, Output.of_array(np.ones(2), field="x"), Output(b"1", "x")])
    assert good is one
    assert "breaks its schema: /x" in str(bad)
    assert isinstance(torn, BadOutputError)


def test_an_exception_in_an_output_s_place_stays() -> None:
    runner = checked(Echo(), replace(VERSION, options={"check_output": True}))
    errors = [ValueError(), SystemExit()]
    assert runner.outputs([*errors, {"x": 1}]) == [*errors, {"x": 1}]


@pytest.mark.parametrize(
    "options",
    [{"check_output": 1}, {"refuse_nan": "yes"}, {"memory_bytes": -1}, {"memory_bytes": True},
     {"memory_bytes": "2G"}],
)  # fmt: skip
def test_an_option_of_the_wrong_type_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError, match=next(iter(options))):
        checked(Echo(), replace(VERSION, options=options))
