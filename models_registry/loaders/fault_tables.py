"""The meaning of each framework's exceptions: a table for each loader, with the common rows at its end.

The first row that fits decides, so narrow rows stand before wide ones. An error of the platform, such as
RetryableError, has its own attribute `retryable`. A version runs its own example before it takes jobs, so
that a shape which it refuses later is a fault of the input.
"""

from __future__ import annotations

from models_registry.core.faults import Fault, Row, Table

_RUNTIME, _ERRORS = "builtins.RuntimeError", "models_registry.core.registry_errors"

COMMON: Table = (
    Row(f"{_ERRORS}.InvalidInputError", Fault.INVALID),  # raised by the model on purpose
    Row(f"{_ERRORS}.UnstorableOutputError", Fault.POISON),  # the same type comes again at every attempt
    Row(f"{_ERRORS}.NotFiniteError", Fault.POISON),  # unless the version's option refuse_nan is false
    Row("builtins.MemoryError", Fault.RESOURCE),  # of the host
    Row("torch.OutOfMemoryError", Fault.RESOURCE),  # of the device's caching allocator
    Row(_RUNTIME, Fault.RESOURCE, "out of memory"),  # CUDA outside the allocator; any in TorchScript
    Row(_RUNTIME, Fault.RESOURCE, "can't allocate memory"),  # DefaultCPUAllocator
    Row(_RUNTIME, Fault.RESOURCE, "CUBLAS_STATUS_ALLOC_FAILED"),  # no memory for its workspace
    Row("builtins.TimeoutError", Fault.TIMEOUT),  # of socket, asyncio and futures too
    Row("builtins.FileNotFoundError", Fault.INTERNAL),  # will not appear by itself
    Row("builtins.PermissionError", Fault.INTERNAL),  # needs an operator
    Row("builtins.IsADirectoryError", Fault.INTERNAL),  # a wrong path stays wrong
    Row("builtins.NotADirectoryError", Fault.INTERNAL),  # same
    Row("builtins.OSError", Fault.TRANSIENT),  # disk full, stale mount, connection refused: these pass
    Row("django.db.utils.OperationalError", Fault.TRANSIENT),  # the registry's database restarts
    Row("django.db.utils.InterfaceError", Fault.TRANSIENT),  # its connection was cut
)

_TORCH: Table = (
    Row(_RUNTIME, Fault.CRASH, "device-side assert"),  # the CUDA context is lost: every later call fails
    Row(_RUNTIME, Fault.CRASH, "illegal memory access"),  # same
    Row(_RUNTIME, Fault.CRASH, "unspecified launch failure"),  # same
    Row(_RUNTIME, Fault.CRASH, "misaligned address"),  # same
    Row(_RUNTIME, Fault.CRASH, "uncorrectable ECC"),  # same; another device may work
    Row(_RUNTIME, Fault.INVALID, "shapes cannot be multiplied"),  # a matrix product
    Row(_RUNTIME, Fault.INVALID, "must match the size of tensor"),  # broadcasting: a text too long
    Row(_RUNTIME, Fault.INVALID, "is invalid for input of size"),  # view and reshape
    Row(_RUNTIME, Fault.INVALID, "size mismatch"),  # vectors
    Row(_RUNTIME, Fault.INVALID, "Kernel size can't be greater than actual input size"),  # convolutions
    Row(_RUNTIME, Fault.INVALID, "channels, but got"),  # same
)

TRANSFORMER: Table = (
    Row(
        "builtins.IndexError", Fault.INVALID, "index out of range in self"
    ),  # a token or position beyond the tables
    Row(
        "builtins.TypeError", Fault.INVALID, "TextInputSequence"
    ),  # the tokenizer, for a value that is no text
    Row("builtins.TypeError", Fault.INVALID, "TextEncodeInput"),  # same, for several
    *_TORCH,
    *COMMON,
)

TORCHSCRIPT: Table = (
    Row("torch.jit.Error", Fault.INVALID),  # a raise or assert in the program, which has no clock or network
    Row("builtins.IndexError", Fault.INVALID, "index out of range in self"),  # of an embedding
    *_TORCH,
    *COMMON,
)

EXPORT: Table = (
    Row("builtins.AssertionError", Fault.INVALID, "Guard failed"),  # ExportedProgram.module(), about a shape
    Row(_RUNTIME, Fault.INVALID, "Expected input "),  # its input constraints
    Row(_RUNTIME, Fault.INVALID, "Unexpected number of dimensions in input"),  # same
    Row("builtins.IndexError", Fault.INVALID, "index out of range in self"),  # of an embedding
    *_TORCH,
    *COMMON,
)

# A Python exception of an entry point or a folder may mean a bad item or a bug, so it has no row here: only
# errors of the platform and of frameworks do.
ENTRY_POINT: Table = (
    Row("httpx.TimeoutException", Fault.TIMEOUT),  # a model behind HTTP
    Row("httpx.TransportError", Fault.TRANSIENT),  # same; those of requests and urllib are OSErrors
    *_TORCH,
    *COMMON,
)

_ONNX = "onnxruntime.capi.onnxruntime_pybind11_state"
ONNX: Table = (
    Row(f"{_ONNX}.InvalidArgument", Fault.INVALID),  # a shape, or an index beyond a table
    *(
        Row(f"{_ONNX}.{kind}", fault, text)
        for kind in ("Fail", "RuntimeException")
        for fault, text in (
            (Fault.RESOURCE, "Failed to allocate memory"),  # its arena, on any device
            (Fault.RESOURCE, "out of memory"),  # CUDA
            (Fault.CRASH, "illegal memory access"),  # the CUDA context is lost
            (Fault.CRASH, "unspecified launch failure"),  # same
            (Fault.INVALID, "mismatch"),  # of dimensions, in a matrix product
            (Fault.INVALID, "The input tensor cannot be reshaped"),  # Reshape
            (Fault.INVALID, "nvalid dim"),  # Gemm, Concat, broadcasting
        )
    ),
    *COMMON,
)

SKLEARN: Table = (
    Row("builtins.ValueError", Fault.INVALID, "contains NaN"),  # null, for an estimator that takes none
    Row("builtins.ValueError", Fault.INVALID, "contains infinity"),  # also a number beyond its float32
    Row("builtins.ValueError", Fault.INVALID, "unknown categories"),  # OneHotEncoder, OrdinalEncoder
    *COMMON,
)

XGBOOST: Table = (
    Row("xgboost.core.XGBoostError", Fault.RESOURCE, "out of memory"),
    Row("xgboost.core.XGBoostError", Fault.RESOURCE, "bad_alloc"),  # of the host
    Row("xgboost.core.XGBoostError", Fault.INVALID, "contains `inf`"),  # a number beyond its float32
    *COMMON,
)

LIGHTGBM: Table = (Row("lightgbm.basic.LightGBMError", Fault.RESOURCE, "bad_alloc"), *COMMON)

_OF_LOADER = {
    "transformer": TRANSFORMER,
    "torchscript": TORCHSCRIPT,
    "export": EXPORT,
    "entry_point": ENTRY_POINT,
    "folder": ENTRY_POINT,
    "onnx": ONNX,
    "sklearn": SKLEARN,
    "xgboost": XGBOOST,
    "lightgbm": LIGHTGBM,
    "pipeline": TRANSFORMER,
    "aotinductor": EXPORT,
}


_RETRY_NAN: Table = (Row(f"{_ERRORS}.NotFiniteError", Fault.INTERNAL),)


def table_of(loader: str, *, refuse_nan: bool = True) -> Table:
    """Return the loader's table; the common rows for an unknown loader.

    Unless `refuse_nan`, an output with NaN or infinity may be better at the next attempt.
    """
    table = _OF_LOADER.get(loader, COMMON)
    return table if refuse_nan else (*_RETRY_NAN, *table)
