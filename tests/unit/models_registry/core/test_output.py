"""Outputs of bytes are what they say, or are refused with the reason."""

from __future__ import annotations

import math
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
import torch

from models_registry.core.output import DTYPES, MOST_META_BYTES, Output
from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import NotFiniteError, UnstorableOutputError

RANDOM = np.random.default_rng(17)
SHAPES = [(), (0,), (3,), (2, 3), (2, 0), (0, 2), (2, 3, 4)]
FLOATS = ["float16", "float32", "float64"]
ARRAY = {"dtype": "float32", "shape": [2]}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_array_has_the_values_that_numpy_reads(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.asarray(RANDOM.random(shape) * 100).astype(dtype)
    output = Output.of_array(array)
    output.check()
    assert output.value() == array.tolist()
    assert Output.of_array(array, field="x").value() == {"x": array.tolist()}


def test_a_tensor_and_an_array_of_other_order_become_the_same_bytes() -> None:
    array = RANDOM.random((2, 3)).astype("float32")
    expected = bytes(Output.of_array(array).body)
    assert bytes(Output.of_array(torch.from_numpy(array)).body) == expected
    swapped = Output.of_array(array.astype(">f4"))
    assert (bytes(swapped.body), swapped.meta["dtype"]) == (expected, "float32")
    assert bytes(Output.of_array(np.asfortranarray(array)).body) == expected


def test_bfloat16_which_numpy_has_not_becomes_float32() -> None:
    tensor = torch.tensor([0.5, -3.0], dtype=torch.bfloat16)
    assert Output.of_array(tensor).value() == [0.5, -3.0]


@pytest.mark.parametrize("array", [np.array([1j]), np.array(["a"]), np.array([object()])])
def test_an_array_of_anything_but_numbers_is_refused(array: Any) -> None:
    with pytest.raises(UnstorableOutputError, match="dtype"):
        Output.of_array(array).check()


def test_other_bytes_are_shown_in_base64() -> None:
    output = Output(b"\x89PNG", "image/png", {"width": 3})
    shown = {"media_type": "image/png", "meta": {"width": 3}, "base64": b64encode(b"\x89PNG").decode()}
    assert output.value() == shown


def test_deep_in_another_output_it_is_plain_json_too() -> None:
    array = np.array([1.5, -2.0], "float32")
    assert plain({"a": [Output.of_array(array)]}) == {"a": [[1.5, -2.0]]}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("number", [math.nan, -math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 5])
def test_nan_and_infinity_are_found_wherever_they_are(dtype: str, number: float, place: int) -> None:
    array = np.ones((2, 3), dtype)
    array.flat[place] = number
    with pytest.raises(NotFiniteError, match=f"'/x/{place // 3}/{place % 3}'"):
        Output.of_array(array, field="x").check()


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_largest_numbers_are_no_infinity(dtype: str) -> None:
    limits = np.finfo(dtype)
    Output.of_array(np.array([limits.max, limits.min, limits.tiny, -0.0], dtype)).check()


@pytest.mark.parametrize(
    ("body", "media_type", "meta", "reason"),
    [
        ("text", "text/plain", {}, "its body is of type str"),
        (b"", "text/html; charset=x", {}, "no media type"),
        (b"", "text/html\r\nX-Evil: 1", {}, "no media type"),
        (b"", "", {}, "no media type"),
        (b"", "TEXT/plain", {}, "no media type"),
        (b"", 7, {}, "no media type"),
        (b"", "a/b", [], "meta is no object"),
        (b"", "a/b", {1: 2}, "meta is no object"),
        (b"", "a/b", {"x": object()}, "cannot be written as JSON"),
        (b"", "a/b", {"x": "y" * MOST_META_BYTES}, "its meta has"),
        (b"1234567", "a/b", ARRAY, "takes 8 bytes, and its body has 7"),
        (b"", "a/b", ARRAY, "takes 8 bytes, and its body has 0"),
        (b"12345678", "a/b", {"dtype": "float32"}, "its shape is no list"),
        (b"12345678", "a/b", {"shape": [2]}, "its dtype is 'None'"),
        (b"12345678", "a/b", {"field": "x"}, "its dtype is 'None'"),
        (b"12345678", "a/b", ARRAY | {"dtype": "complex64"}, "its dtype is 'complex64'"),
        (b"12345678", "a/b", ARRAY | {"dtype": ["float32"]}, "its dtype is"),
        (b"12345678", "a/b", ARRAY | {"shape": [2.0]}, "its shape is no list of whole numbers"),
        (b"12345678", "a/b", ARRAY | {"shape": [-2]}, "its shape is no list of whole numbers"),
        (b"12345678", "a/b", ARRAY | {"shape": [True, 2]}, "its shape is no list of whole numbers"),
        (b"12345678", "a/b", ARRAY | {"shape": [1] * 40 + [2]}, "axes"),
        (b"", "a/b", ARRAY | {"shape": [10**9, 0]}, "axes"),
        (b"12345678", "a/b", ARRAY | {"field": ""}, "its field is no name"),
        (b"12345678", "a/b", ARRAY | {"field": 3}, "its field is no name"),
    ],
)
def test_what_is_not_as_it_says_is_refused(body: Any, media_type: Any, meta: Any, reason: str) -> None:
    with pytest.raises(UnstorableOutputError, match=reason) as refused:
        Output(body, media_type, meta).check()
    assert refused.value.code == "bad_output"
