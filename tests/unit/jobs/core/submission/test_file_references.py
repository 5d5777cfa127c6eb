from typing import Any

import pytest

from jobs.core.canonical_json import canonical_bytes
from jobs.core.errors import InvalidInputError, MalformedRequestError
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.submission.file_references import (
    Reference,
    as_value,
    filled,
    may_refer,
    outline,
    references,
    referred_files,
    stored_form,
)

FILE = StoredPayload("2026-11-24/a", 3, "a" * 64, "image/png")
TEXT = StoredPayload("2026-11-24/b", 5, "b" * 64, "text/plain; charset=utf-8")
UPLOAD, PART = Reference("upload", "u-1"), Reference("part", "page")
FILES = {UPLOAD: FILE, PART: TEXT}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"$upload": "u-1"}, {UPLOAD}),
        ({"a": [{"b": {"$part": "page"}}], "c": {"$upload": "u-1"}}, {UPLOAD, PART}),
        ({"$upload": "u-1", "more": 1}, set()),
        ({"upload": "u-1"}, set()),
        ({"$other": "u-1"}, set()),
        ("$upload", set()),
    ],
)
def test_references_are_found_at_any_place(value: Any, expected: set[Reference]) -> None:
    assert set(references(value)) == expected
    assert may_refer(canonical_bytes(value)) or not expected


@pytest.mark.parametrize("value", [{"$upload": 1}, {"a": [{"$part": None}]}, {"$file": {"sha256": "a"}}])
def test_a_reference_that_means_nothing_is_refused(value: Any) -> None:
    with pytest.raises(MalformedRequestError):
        references(value)


def test_a_job_refers_to_no_more_files_than_it_may() -> None:
    many = [{"$upload": str(number)} for number in range(17)]
    assert len(references(many[:16])) == 16
    with pytest.raises(MalformedRequestError, match="at most 16"):
        references(many)


def test_an_input_refers_to_files_no_more_often_than_it_may() -> None:
    assert references([{"$upload": "u-1"}] * 1_000)[UPLOAD] == 1_000
    with pytest.raises(MalformedRequestError, match="1001 times; at most 1000"):
        references([{"$upload": "u-1"}] * 1_001)


def test_a_stored_input_names_each_file_as_often_as_it_refers_to_it() -> None:
    stored = stored_form([{"$upload": "u-1"}, {"a": {"$upload": "u-1"}}, {"$part": "page"}], FILES)
    sizes = [(file.size, file.content_type) for file in referred_files(stored)]
    assert sizes == [(3, "image/png"), (3, "image/png"), (5, TEXT.content_type)]
    with pytest.raises(InvalidInputError, match="nothing is known"):
        referred_files([{"$file": "x"}])


def test_an_outline_has_empty_values_in_the_places_of_files() -> None:
    stored = stored_form({"a": [1, {"$upload": "u-1"}], "b": {"$part": "page"}, "c": {"x": 1}}, FILES)
    assert outline(stored) == ({"a": [1, ""], "b": "", "c": {"x": 1}}, {("a", 1): True, ("b",): True})
    values = stored_form({"$upload": "u-1"}, {UPLOAD: StoredPayload("n", 9, "c" * 64)})
    assert outline(values) == (None, {(): False})


def test_files_replace_their_references() -> None:
    value = {"image": {"$upload": "u-1"}, "pages": [{"$part": "page"}, "x"], "of": {"$other": 1}}
    stored = stored_form(value, {UPLOAD: FILE, PART: TEXT})
    assert "u-1" not in str(stored)
    given = filled(stored, {FILE: "AAEC", TEXT: "é!"})
    assert given == {"image": "AAEC", "pages": ["é!", "x"], "of": {"$other": 1}}


def test_equal_files_make_equal_inputs() -> None:
    again = StoredPayload("2026-11-25/other", FILE.size, FILE.sha256, FILE.content_type)
    first, second = ({"$upload": "u-1"}, {UPLOAD: FILE}), ({"$part": "page"}, {PART: again})
    assert stored_form(*first) == stored_form(*second)


@pytest.mark.parametrize("files", [{FILE: "abc"}, {}])
def test_a_file_that_is_not_the_job_s_makes_the_input_invalid(files: dict[StoredPayload, str]) -> None:
    of_another = stored_form({"$upload": "u-1"}, {UPLOAD: TEXT})
    with pytest.raises(InvalidInputError, match="does not have"):
        filled(of_another, files)


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        ("application/json", b'{"a": [1]}', {"a": [1]}),
        ("Application/JSON; charset=utf-8", b"1", 1),
        ("text/csv", b"a,b", "a,b"),
        ("application/octet-stream", b"\xff", "/w=="),
    ],
)
def test_a_model_is_given_a_file_by_its_type(kind: str, body: bytes, value: Any) -> None:
    assert as_value(StoredPayload("n", len(body), "", kind), body) == value


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/plain", b"\xff"), ("application/json", b"{"), ("application/json", b"[" * 5_000 + b"]" * 5_000)],
)
def test_a_file_of_another_type_than_declared_makes_the_input_invalid(kind: str, body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        as_value(StoredPayload("n", len(body), "", kind), body)
