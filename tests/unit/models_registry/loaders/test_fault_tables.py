"""Each loader's table against exceptions that the frameworks really raise."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models_registry.core.faults import Fault, fault_of
from models_registry.core.registry_errors import InvalidInputError, NotFiniteError, RetryableError
from models_registry.core.runner import Item, answer
from models_registry.loaders.fault_tables import COMMON, EXPORT, TORCHSCRIPT, TRANSFORMER, table_of
from models_registry.loaders.load import Permissions, load
from tests.support.format_specimens import onnx_file, port
from tests.support.specimens import SPECIMENS

LOADERS = ("transformer", "torchscript", "export", "entry_point")


def raised_by(call: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # which one is the question
        call()
    return caught.value


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (InvalidInputError("no"), Fault.INVALID),
        (RetryableError("later"), Fault.TRANSIENT),
        (NotFiniteError(), Fault.POISON),
        (MemoryError(), Fault.RESOURCE),
        (TimeoutError(), Fault.TIMEOUT),
        (ConnectionResetError(), Fault.TRANSIENT),
        (OSError(28, "No space left on device"), Fault.TRANSIENT),
        (FileNotFoundError(2, "No such file"), Fault.INTERNAL),
        (ValueError("out of memory"), Fault.INTERNAL),
        (KeyError("x"), Fault.INTERNAL),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), Fault.RESOURCE),
        (RuntimeError("CUDA error: out of memory"), Fault.RESOURCE),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), Fault.RESOURCE),
        (RuntimeError("CUDA error: device-side assert triggered"), Fault.CRASH),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), Fault.CRASH),
    ],
)  # fmt: skip
def test_all_loaders_share_the_common_faults(loader: str, error: Exception, fault: Fault) -> None:
    assert fault_of(error, table_of(loader)) is fault


@pytest.mark.parametrize("loader", LOADERS)
def test_torch_s_own_types_are_named_as_they_are(loader: str) -> None:
    import torch

    assert fault_of(torch.OutOfMemoryError("CUDA out of memory."), table_of(loader)) is Fault.RESOURCE
    assert fault_of(torch.cuda.OutOfMemoryError("x"), table_of(loader)) is Fault.RESOURCE
    lost = torch.AcceleratorError("CUDA error: device-side assert triggered")
    assert fault_of(lost, table_of(loader)) is Fault.CRASH
    assert fault_of(torch.AcceleratorError("CUDA error: out of memory"), table_of(loader)) is Fault.RESOURCE


@pytest.mark.parametrize("loader", LOADERS)
def test_shapes_that_a_torch_model_does_not_take_are_the_input_s(loader: str) -> None:
    import torch

    zeros = torch.zeros
    calls: list[Callable[[], Any]] = [
        lambda: torch.nn.Linear(4, 2)(zeros(1, 3)),
        lambda: zeros(1, 600) + zeros(1, 512),
        lambda: zeros(6).view(4, 2),
        lambda: torch.nn.Conv2d(4, 1, 3)(zeros(1, 3, 8, 8)),
        lambda: torch.nn.Conv2d(1, 1, 9)(zeros(1, 1, 4, 4)),
    ]
    assert [fault_of(raised_by(call), table_of(loader)) for call in calls] == [Fault.INVALID] * len(calls)


def test_torch_raises_its_memory_error_for_an_impossible_allocation() -> None:
    import torch

    assert fault_of(raised_by(lambda: torch.empty(2**60)), TRANSFORMER) is Fault.RESOURCE


def test_a_token_that_an_embedding_does_not_have_is_the_input_s() -> None:
    import torch

    error = raised_by(lambda: torch.nn.Embedding(10, 2)(torch.tensor([10])))
    assert fault_of(error, TRANSFORMER) is Fault.INVALID
    assert fault_of(IndexError("list index out of range"), TRANSFORMER) is Fault.INTERNAL


def test_a_tokenizer_given_no_text_blames_the_input() -> None:
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    errors = [raised_by(call) for call in (lambda: tokenizer.encode(5), lambda: tokenizer.encode_batch([5]))]
    assert [fault_of(error, TRANSFORMER) for error in errors] == [Fault.INVALID] * 2


def script(source: str) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.CompilationUnit(source)


def test_a_torchscript_program_s_own_raise_and_assert_refuse_the_input() -> None:
    import torch

    program = script("""
def strict(x: Tensor) -> Tensor:
    if x.size(0) > 2:
        raise ValueError("too long")
    assert x.size(0) == 2, "too short"
    return x
""")
    for size in (3, 1):
        error = raised_by(partial(program.strict, torch.zeros(size)))
        assert isinstance(error, torch.jit.Error)
        assert fault_of(error, TORCHSCRIPT) is Fault.INVALID
        assert fault_of(error, COMMON) is Fault.INTERNAL


def test_shape_and_memory_errors_inside_torchscript_are_distinguished() -> None:
    import torch

    program = script("""
def multiply(x: Tensor) -> Tensor:
    return x @ torch.zeros(4, 2)

def grow(x: Tensor) -> Tensor:
    return torch.empty([1152921504606846976])
""")
    shape = raised_by(lambda: program.multiply(torch.zeros(1, 3)))
    memory = raised_by(lambda: program.grow(torch.zeros(1)))
    assert [fault_of(error, TORCHSCRIPT) for error in (shape, memory)] == [Fault.INVALID, Fault.RESOURCE]


def test_an_exported_program_s_guards_refuse_the_input() -> None:
    import torch

    rows = torch.export.Dim("rows", min=1, max=8)
    program = torch.export.export(
        torch.nn.Linear(4, 2), (torch.zeros(3, 4),), dynamic_shapes={"input": {0: rows}}
    )
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    module = torch.export.load(buffer).module()
    errors = [raised_by(partial(module, torch.zeros(*shape))) for shape in ((3, 5), (3, 4, 1))]
    assert [fault_of(error, EXPORT) for error in errors] == [Fault.INVALID] * 2


def test_a_model_behind_http_that_does_not_answer_may_later() -> None:
    import httpx

    assert fault_of(httpx.ConnectError("refused"), table_of("entry_point")) is Fault.TRANSIENT
    assert fault_of(httpx.ReadTimeout("slow"), table_of("entry_point")) is Fault.TIMEOUT


def test_an_unknown_loader_has_the_common_faults() -> None:
    assert table_of("another") is COMMON


def fault_at(loader: str, runner: Any, value: Any) -> Fault:
    with pytest.raises(Exception, match=r".") as caught:
        answer(runner, [Item(value)])
    return fault_of(caught.value, table_of(loader))


@pytest.mark.parametrize(("operator", "weight"), [("MatMul", (3, 1)), ("Gather", (2,)), ("Reshape", None)])
def test_an_input_that_a_graph_cannot_take(operator: str, weight: Any, tmp_path: Path) -> None:
    import numpy as np

    from models_registry.loaders.formats.onnx_file import load as load_onnx
    from models_registry.loaders.loader_options import OnnxOptions

    index = operator == "Gather"
    x = port("x", "INT64" if index else "FLOAT", "n", "length")
    w = np.array([3, 5]) if weight is None else np.zeros(weight, "float32")
    nodes = [(operator, "w x" if index else "x w", "y")]
    path = onnx_file(tmp_path / "m.onnx", nodes, [x], [port("y", "FLOAT", None, None)], {"w": w})
    runner = load_onnx(path, OnnxOptions(batch="first"), "cpu")
    assert fault_at("onnx", runner, {"x": [7, 7]}) == Fault.INVALID


@pytest.mark.parametrize(("loader", "data"), [("sklearn", [1, None, 2]), ("xgboost", [1e300, 1, 2])])
def test_numbers_that_a_model_cannot_take(loader: str, data: Any, tmp_path: Path) -> None:
    runner = load(SPECIMENS[loader](tmp_path).version, "cpu", Permissions())
    assert fault_at(loader, runner, {"data": data}) == Fault.INVALID


def test_memory_that_lightgbm_lacks_is_no_fault_of_the_input(tmp_path: Path) -> None:
    import lightgbm

    short = lightgbm.basic.LightGBMError("std::bad_alloc")
    assert fault_of(short, table_of("lightgbm")) is Fault.RESOURCE
    path = SPECIMENS["lightgbm"](tmp_path).version.artifact
    odd = raised_by(lambda: lightgbm.Booster(model_file=path).predict([[1.0]]))
    assert isinstance(odd, lightgbm.basic.LightGBMError)
    assert fault_of(odd, table_of("lightgbm")) is Fault.INTERNAL  # a row's length is checked before
