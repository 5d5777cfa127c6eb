"""Rows are built by the names of their columns, so that no statement can be read by position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import msgspec
import pytest

from jobs.db.statement import Statement

ONE, TWO = UUID(int=1), UUID(int=2)


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


class Label(NamedTuple):
    name: str


class Message(msgspec.Struct, frozen=True):
    job: UUID
    epoch: int


@pytest.mark.parametrize("columns", [("x", "y"), ("y", "x")])
def test_a_row_is_the_same_in_whichever_order_its_columns_come(columns: tuple[str, str]) -> None:
    values = {"x": 1, "y": 2}
    rows = Statement("SELECT", Point).rows(lambda: columns, [[values[name] for name in columns]])
    assert rows == [Point(x=1, y=2)]


@pytest.mark.parametrize("columns", [("x", "z"), ("x",), ("x", "y", "z")])
def test_columns_that_are_not_the_row_s_fields_are_refused_by_name(columns: tuple[str, ...]) -> None:
    with pytest.raises(TypeError, match="are not the fields"):
        Statement("SELECT", Point).rows(lambda: columns, [range(len(columns))])


def test_a_named_tuple_of_one_field_is_no_scalar() -> None:
    assert Statement("SELECT", Label).rows(lambda: ("name",), [("a",)]) == [Label("a")]
    with pytest.raises(TypeError, match="are not the fields"):
        Statement("SELECT", Label).rows(lambda: ("text",), [("a",)])


def test_a_plain_type_is_the_type_of_the_only_column() -> None:
    assert Statement("SELECT", UUID).rows(lambda: ("id",), [(ONE,), (TWO,)]) == [ONE, TWO]
    with pytest.raises(ValueError, match="too many values"):
        Statement("SELECT", UUID).rows(lambda: ("id", "other"), [(ONE, TWO)])


def test_a_message_of_msgspec_is_a_row_too() -> None:
    letter = Statement("SELECT", Message).rows(lambda: ("epoch", "job"), [(3, ONE)])
    assert letter == [Message(job=ONE, epoch=3)]


def test_the_names_of_the_columns_are_read_once() -> None:
    statement, queries = Statement("SELECT", Point), list[str]()

    def columns() -> list[str]:
        queries.append("names")
        return ["y", "x"]

    assert [statement.rows(columns, [(2, 1)]) for _ in range(3)] == [[Point(1, 2)]] * 3
    assert queries == ["names"]
