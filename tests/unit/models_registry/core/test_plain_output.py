"""Outputs as models make them become plain JSON values, or an error that names the place."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
import torch

from jobs.core.canonical_json import canonical_bytes, output_bytes
from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import BadOutputError, NotFiniteError, UnstorableOutputError


class Colour(Enum):
    RED = "red"
    HALF = 0.5


class Rank(IntEnum):
    FIRST = 1


@dataclass
class Box:
    corner: Any
    label: str


class Point(msgspec.Struct):
    x: Any


class Text(str):
    __slots__ = ()


class Pydantic:
    def model_dump(self) -> dict[str, Any]:
        return {"x": np.float32(0.5)}


class EagerTensor:
    def numpy(self) -> Any:
        return np.array([1, 2])


class BFloat16Array:
    """An array of a type that numpy has only with another library."""

    dtype = type("bfloat16", (), {"kind": "V", "__str__": lambda _: "bfloat16"})()

    def astype(self, name: str) -> Any:
        return np.array([1.5], dtype=name)

    def tolist(self) -> Any:
        return [object()]


TORCH = torch.tensor([[1.5, 2.0], [3.0, -0.25]])
NANOSECONDS = np.array(["2026-01-02T03:04:05"], dtype="datetime64[ns]")
FORMS: list[tuple[Any, Any]] = [
    (np.float64(1.5), 1.5), (np.float32(0.5), 0.5), (np.float16(0.5), 0.5), (np.longdouble(0.5), 0.5),
    (np.int64(3), 3), (np.uint8(3), 3), (np.bool_(True), True),
    (np.str_("é"), "é"), (np.bytes_(b"x"), "eA=="),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]), (np.array(7), 7), (np.array([]), []),
    (np.array([True, False]), [True, False]), (np.array(["a", "b"]), ["a", "b"]),
    (np.array([np.float32(0.5), "x", None], dtype=object), [0.5, "x", None]),
    (np.array([0.5], dtype=np.longdouble), [0.5]),
    (NANOSECONDS, ["2026-01-02T03:04:05"]), (NANOSECONDS[0], "2026-01-02T03:04:05"),
    (np.timedelta64(1500, "ms"), "PT1.5S"),
    (np.array([(1, 0.5)], dtype=[("n", "i4"), ("x", "f4")]), [[1, 0.5]]),
    (TORCH, TORCH.tolist()), (TORCH.to(torch.bfloat16), TORCH.tolist()), (TORCH.half(), TORCH.tolist()),
    (TORCH.to(torch.float8_e4m3fn), TORCH.tolist()), (TORCH.to_sparse(), TORCH.tolist()),
    (TORCH.t(), TORCH.t().tolist()), (torch.nn.Parameter(TORCH), TORCH.tolist()), (torch.tensor(3), 3),
    (torch.tensor([True]), [True]), (torch.empty(0), []), (EagerTensor(), [1, 2]), (BFloat16Array(), [1.5]),
    (Decimal("1.50"), "1.50"), (date(2026, 1, 2), "2026-01-02"),
    (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00Z"), (time(1, 2), "01:02:00"),
    (timedelta(seconds=90), "PT90S"), (UUID(int=1), str(UUID(int=1))),
    (Colour.RED, "red"), (Colour.HALF, 0.5), (Rank.FIRST, 1), (Text("a"), "a"),
    (b"ab", "YWI="), (bytearray(b"ab"), "YWI="), (memoryview(b"ab"), "YWI="),
    ({3, 1, 2}, [1, 2, 3]), (frozenset({"b", "a"}), ["a", "b"]), ((1, (2,)), [1, [2]]), (deque([1]), [1]),
    (range(3), [0, 1, 2]), (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (Box((0.5, np.int8(1)), "cat"), {"corner": [0.5, 1], "label": "cat"}),
    (Point(np.float32(0.5)), {"x": 0.5}), (Pydantic(), {"x": 0.5}),
    ({1: "a", -2: "b"}, {"1": "a", "-2": "b"}), ({1.5: "a"}, {"1.5": "a"}),
    ({True: 1, None: 2}, {"true": 1, "null": 2}),
    ({np.int64(7): 1, np.str_("k"): 2, date(2026, 1, 2): 3}, {"7": 1, "k": 2, "2026-01-02": 3}),
    ({Colour.RED: 1, Rank.FIRST: 2}, {"red": 1, "1": 2}),
    (10**30, 10**30), (None, None), ({"a": [None, "NaN", "Infinity"]}, {"a": [None, "NaN", "Infinity"]}),
]  # fmt: skip


@pytest.mark.parametrize(("output", "form"), FORMS, ids=map(str, range(len(FORMS))))
def test_a_value_has_one_form_wherever_it_stands(output: Any, form: Any) -> None:
    assert plain(output) == form
    assert output_bytes(output) == canonical_bytes(form)
    assert json.loads(output_bytes({"scores": [0, output], 7: None})) == {"scores": [0, form], "7": None}


NAN = float("nan")
PLACES: list[tuple[Any, str]] = [
    ({"scores": [0.1, 0.2, 0.3, NAN]}, "/scores/3"), ({"scores": np.array([0.1, np.inf])}, "/scores/1"),
    ({"a": {1: {"x": NAN}}}, "/a/1/x"), ({"t": torch.tensor([[0.0], [NAN]]).bfloat16()}, "/t/1/0"),
    ([Decimal(1), Decimal("NaN")], "/1"), ({"d": Decimal("-Infinity")}, "/d"), (NAN, ""),
    ({"a/b~": NAN}, "/a~1b~0"),
    ({"box": Box((0.5, NAN), "x")}, "/box/corner/1"), ([Point(NAN)], "/0/x"),
    ([{NAN}], "/0/0"), ([None, NAN], "/1"),
]  # fmt: skip


@pytest.mark.parametrize(("output", "place"), PLACES, ids=[place for _, place in PLACES])
def test_nan_and_infinity_are_refused_with_their_place(output: Any, place: str) -> None:
    with pytest.raises(NotFiniteError) as caught:
        output_bytes(output)
    assert caught.value.details == {"pointer": place}
    assert f"at {place!r}" in str(caught.value)


class Unreadable:
    def tolist(self) -> Any:
        raise SystemExit("no list")


CYCLE: list[Any] = []
CYCLE.append(CYCLE)
REFUSED: list[tuple[Any, str, str]] = [
    ({"scores": [1, 2, 3, object()]}, "/scores/3", "an object of type object"),
    ({"a": {1: Box}}, "/a/1", "the class"), ({"z": [1j]}, "/z/0", "complex"),
    ({"z": np.array([1j])}, "/z/0", "complex"), ({"s": "\ud800"}, "/s", "lone surrogate"),
    ([iter([1])], "/0", "iterator"), ({"a": {(1, 2): 3}}, "/a", "one of its keys is an object of type tuple"),
    ({"a": {1: "x", "1": "y"}}, "/a", "two of its keys are '1'"), ([Unreadable()], "/0", "no list"),
    ({"a": torch.ones(2, device="meta")}, "/a", "meta"), (CYCLE, "/0" * 101, "nests deeper than 100"),
    ({"m": {b"x": 1}}, "/m", "one of its keys"), ({"k": {"\ud800": 1}}, "/k", "surrogate"),
]  # fmt: skip


LONG = 10**4_300  # Python writes integers of at most 4,300 digits


def test_an_integer_is_stored_with_each_digit_up_to_where_python_writes_none() -> None:
    assert output_bytes({"a": LONG - 1}) == b'{"a":' + b"9" * 4_300 + b"}"
    for output, place in [(LONG, ""), ({"a": [1, -LONG]}, "/a/1"), ({"b": {LONG: 1}}, "/b")]:
        with pytest.raises(UnstorableOutputError, match="an integer has 14,285 bits") as refused:
            output_bytes(output)
        assert refused.value.details["pointer"] == place


@pytest.mark.parametrize(("output", "place", "reason"), REFUSED, ids=[at[:20] for _, at, _ in REFUSED])
def test_what_has_no_form_is_refused_with_its_place(output: Any, place: str, reason: str) -> None:
    with pytest.raises(UnstorableOutputError, match=reason) as caught:
        output_bytes(output)
    assert caught.value.details == {"pointer": place}
    assert isinstance(caught.value, BadOutputError)
