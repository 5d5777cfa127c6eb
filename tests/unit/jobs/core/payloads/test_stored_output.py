"""An output of bytes is stored as it came, and comes back in every form."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from typing import NoReturn

import msgspec
import numpy as np
import pytest

from jobs.core.canonical_json import canonical_bytes, output_bytes
from jobs.core.errors import PayloadCorruptError
from jobs.core.payloads.pointer import MARK as POINTER_MARK
from jobs.core.payloads.pointer import is_pointer
from jobs.core.payloads.stored_output import (
    MARK,
    OutputForm,
    ShownBytes,
    bytes_output,
    is_bytes,
    is_slow_as_json,
    npy,
    output_json,
    shown_output,
    stored_output,
    view_json,
)
from models_registry.core.output import DTYPES, Output
from models_registry.core.registry_errors import NotFiniteError, UnstorableOutputError

RANDOM = np.random.default_rng(7)
VECTOR = RANDOM.normal(size=384).astype("float32")
STORED = stored_output(Output.of_array(VECTOR, field="embedding"))
PICTURE = stored_output(Output(b"\x89PNG\n", "image/png"))


def test_many_vectors_answer_byte_for_byte_as_their_lists_did() -> None:
    exponents = RANDOM.integers(0, 2**32, size=(200, 384), dtype="uint32").view("float32")
    odd = np.where(np.isfinite(exponents), exponents, np.float32(-0.0))
    for vector in [*RANDOM.normal(size=(200, 384)).astype("float32"), *odd, np.zeros(3, "float32")]:
        stored = stored_output(Output.of_array(vector, field="embedding"))
        assert output_json(stored) == output_bytes({"embedding": vector.tolist()})


@pytest.mark.parametrize("shape", [[1_001, 0], [1_001, 1], [1_001, 1, 2], [2] * 10 + [0], [16_385]])
def test_json_of_many_lists_or_numbers_is_slow(shape: list[int]) -> None:
    stored = stored_output(Output.of_array(np.zeros(shape, "uint8")))
    shown = shown_output(stored, None)
    assert is_slow_as_json(stored)
    assert isinstance(shown, ShownBytes)
    assert shown.is_large


def test_json_of_few_is_not() -> None:
    broken = [MARK, MARK + b'["a/b",{"shape":1}]\n']
    for stored in [STORED, PICTURE, stored_output({"a": [[]] * 5_000}), *broken]:
        assert not is_slow_as_json(stored)
    assert not shown_output(STORED, None).is_large  # type: ignore[union-attr]


@pytest.mark.parametrize("raw", [b"1\n", b"{}}", b""])
def test_a_raw_in_the_meta_cannot_make_it_unreadable(raw: bytes) -> None:
    with pytest.raises(UnstorableOutputError):
        stored_output(Output(b"a", meta={"a": msgspec.Raw(raw)}))


def test_it_is_small() -> None:
    assert len(STORED) < VECTOR.nbytes + 100
    assert len(STORED) < 2_000  # Postgres compresses and moves away what is larger


@pytest.mark.parametrize("value", ["\0bytes\0", [], None, 0, "", MARK.decode(), {"\0bytes\0": 1}])
def test_no_json_is_mistaken_for_bytes(value: object) -> None:
    stored = stored_output(value)
    assert not is_bytes(stored)
    assert output_json(stored) == stored == canonical_bytes(value)


def test_a_model_cannot_forge_a_pointer() -> None:
    stored = stored_output(Output(POINTER_MARK + b'{"name":"x","size":1,"sha256":""}'))
    assert not is_pointer(stored)
    assert bytes(bytes_output(stored).body).startswith(POINTER_MARK)


def test_what_a_model_may_not_return_is_not_stored() -> None:
    with pytest.raises(NotFiniteError):
        stored_output(Output.of_array(np.array([np.nan], "float32")))
    with pytest.raises(UnstorableOutputError):
        stored_output(Output(b"123", meta={"dtype": "float32", "shape": [1]}))


class Nasty(dict[str, int]):
    def items(self) -> NoReturn:
        raise SystemExit(3)

    keys = __iter__ = items


@pytest.mark.parametrize(
    "output",
    [
        Output(memoryview(b"12345678")[::2]),
        Output(memoryview(b"12345678").cast("f"), meta={"dtype": "float32", "shape": [3]}),
        Output(b"", meta=Nasty(a=1)),
    ],
)
def test_an_output_that_raises_when_it_is_read_is_a_bad_one(output: Output) -> None:
    with pytest.raises(UnstorableOutputError):
        stored_output(output)


def test_a_view_of_any_format_is_stored() -> None:
    floats = Output(memoryview(VECTOR.tobytes()).cast("f"), meta={"dtype": "float32", "shape": [384]})
    assert output_json(stored_output(floats)) == output_bytes(VECTOR.tolist())


@pytest.mark.parametrize("damaged", [MARK, MARK + b"[]\n", MARK + b"{", STORED[:-1], STORED + b"x"])
def test_damaged_bytes_are_noticed(damaged: bytes) -> None:
    with pytest.raises(PayloadCorruptError):
        output_json(damaged)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (1, 2, 3)])
def test_numpy_reads_the_file(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.asarray(RANDOM.random(shape) * 100).astype(dtype)
    read = np.load(io.BytesIO(npy(Output.of_array(array))), allow_pickle=False)
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert (read == array).all()


def shown(stored: bytes, form: str | None) -> ShownBytes:
    output = shown_output(stored, form)
    assert isinstance(output, ShownBytes)
    return output


@pytest.mark.parametrize("form", [None, "json"])
def test_in_a_view_it_is_json(form: str | None) -> None:
    view = {"output": shown_output(STORED, form)}
    assert view_json(view) == b'{"output":' + output_json(STORED) + b"}"


@pytest.mark.parametrize("form", ["base64", "raw"])
def test_in_a_view_it_is_in_base64_where_its_job_asked_for_bytes(form: str) -> None:
    output = msgspec.json.decode(view_json({"output": shown_output(STORED, form)}))["output"]
    assert b64decode(output["base64"]) == VECTOR.tobytes()
    assert output["media_type"] == "application/octet-stream"
    assert output["meta"] == {"dtype": "float32", "shape": [384], "field": "embedding"}


def test_in_a_view_it_is_a_file_in_base64_where_its_job_asked_for_one() -> None:
    output = msgspec.json.decode(view_json({"output": shown_output(STORED, "npy")}))["output"]
    assert output["media_type"] == "application/x-npy"
    assert (np.load(io.BytesIO(b64decode(output["base64"]))) == VECTOR).all()
    picture = msgspec.json.decode(view_json({"output": shown_output(PICTURE, "npy")}))["output"]
    assert picture["base64"] == b64encode(b"\x89PNG\n").decode()


def test_its_forms_alone() -> None:
    output = shown(STORED, None)
    assert output.in_form(OutputForm.RAW) == (VECTOR.tobytes(), "application/octet-stream")
    assert output.in_form(OutputForm.JSON) is None
    assert shown(PICTURE, "raw").in_form(OutputForm.RAW) == (b"\x89PNG\n", "image/png")
    assert shown(PICTURE, "raw").in_form(OutputForm.NPY) is None


def test_json_is_made_once_for_all_who_wait() -> None:
    output = shown(STORED, None)
    assert output.json is output.json
