"""What a job adds to the sketches: numbers with three digits, lengths, labels, vectors by nine numbers."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from jobs.core.drift.field_names import CONFIDENCE, LABEL, SIZE
from jobs.core.drift.field_values import LONG_LABEL, directions, label_of, numbers_of, values_of
from models_registry.core.monitor.monitor_option import Monitor
from models_registry.core.output import Output


def of_input(value: Any, pointer: str = "/x") -> dict[str, Any]:
    values = values_of(Monitor(inputs=(pointer,)), size=7, given={"x": value})
    assert values.pop(SIZE) == 7.0
    return values


@pytest.mark.parametrize(
    ("value", "values"),
    [
        (1234567, {"input:/x": 1230000.0}),
        (-0.0123456, {"input:/x": -0.0123}),
        (True, {"input:/x": 1.0}),
        ("a text of 31 characters, so long", {"input:/x:length": 32.0}),
        (None, {"input:/x": None}),
        ({}, {"input:/x": None}),
        (10**400, {"input:/x": None}),
        (1e39, {"input:/x": None}),
        (float("nan"), {"input:/x": None}),
        (float("-inf"), {"input:/x": None}),
        ([], {"input:/x:norm": None}),
        (["1"], {"input:/x:norm": None}),
        ([1.0, None], {"input:/x:norm": None}),
        ([1.0, True], {"input:/x:norm": None}),
        ([1.0, float("nan")], {"input:/x:norm": None}),
        ([10**400], {"input:/x:norm": None}),
        ([0.0, 0.0], {"input:/x:norm": 0.0}),
    ],
)
def test_what_an_input_has_at_a_place(value: Any, values: dict[str, Any]) -> None:
    assert of_input(value) == values


@pytest.mark.parametrize("pointer", ["/y", "/x/0", "/x/y/z"])
def test_a_place_that_an_input_lacks_is_missing(pointer: str) -> None:
    assert of_input("text", pointer) == {f"input:{pointer}": None}


def test_a_vector_is_its_norm_and_its_direction_along_eight_fixed_ones() -> None:
    vector = [3.0, 0.0, 4.0]
    values = of_input(vector)
    assert values["input:/x:norm"] == 5.0
    assert len(values) == 9
    longer = of_input([300.0, 0.0, 400.0])
    assert {name: longer[name] for name in values if ":p" in name} == {
        name: values[name] for name in values if ":p" in name
    }
    assert values["input:/x:p0"] == pytest.approx(
        0.6 * directions()[0][0] + 0.8 * directions()[0][2], abs=1e-3
    )


EXPECTED = ["--+--+++", "+++++++-"]


def test_the_directions_are_the_same_for_ever() -> None:
    assert ["".join("+" if one > 0 else "-" for one in row[:8]) for row in directions()[:2]] == EXPECTED
    assert {*directions().ravel().tolist()} == {1.0, -1.0}


def test_the_output_s_confidence_label_and_vector() -> None:
    monitor = Monitor(confidence="/sure", label="/name", vector="/v")
    values = values_of(monitor, size=1, answer={"sure": 0.98765, "name": "cat", "v": [1.0, 1.0]})
    assert (values[CONFIDENCE], values[LABEL], values["output:vector:norm"]) == (0.988, "cat", 1.41)
    nothing = values_of(monitor, size=1, answer=None)
    assert nothing == {SIZE: 1.0, CONFIDENCE: None, LABEL: None, "output:vector:norm": None}


def test_an_output_of_bytes_is_a_vector_whatever_its_shape() -> None:
    output = Output(struct.pack("<4f", 1, 1, 1, 1), meta={"dtype": "float32", "shape": [2, 2]})
    values = values_of(Monitor(vector=""), size=1, answer=output)
    assert values["output:vector:norm"] == 2.0
    picture = Output(b"\x89PNG", "image/png")
    assert values_of(Monitor(vector="", label=""), size=1, answer=picture)["output:vector:norm"] is None
    one = Output(struct.pack("<d", 0.5), meta={"dtype": "float64", "shape": [1]})
    assert values_of(Monitor(confidence=""), size=1, answer=one)[CONFIDENCE] == 0.5


def test_of_a_long_vector_the_first_numbers_count() -> None:
    numbers = numbers_of([1.0] * 4_096 + [1e9])
    assert numbers is not None
    assert math.isclose(float(numbers.sum()), 4_096.0)


@pytest.mark.parametrize(
    ("value", "label"),
    [("cat", "cat"), (7, "7"), (True, "true"), (False, "false"), ("x" * 65, LONG_LABEL), ("x" * 64, "x" * 64),
     (0.5, None), (None, None), (["cat"], None)],
)  # fmt: skip
def test_labels(value: Any, label: str | None) -> None:
    assert label_of(value) == label
