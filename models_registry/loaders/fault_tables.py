"""Which exceptions of which framework mean what: one table a loader, what all have in common at its end.

The first row that fits decides, so what is narrow stands before what is wide. The platform's own errors,
RetryableError among them, say themselves whether they pass. A version answers its own example before it
takes a job: a shape that it refuses afterwards is the input's.
"""

from __future__ import annotations

from models_registry.core.faults import Fault, Row, Table

_RUNTIME, _ERRORS = "builtins.RuntimeError", "models_registry.core.registry_errors"

COMMON: Table = (
    Row(f"{_ERRORS}.InvalidInputError", Fault.INVALID),  # the model's own word on its input
    Row(f"{_ERRORS}.NotFiniteError", Fault.POISON),  # the version refuses NaN for good
    Row("builtins.MemoryError", Fault.RESOURCE),  # the host's
    Row("torch.OutOfMemoryError", Fault.RESOURCE),  # the device's caching allocator
    Row(_RUNTIME, Fault.RESOURCE, "out of memory"),  # CUDA outside the allocator; any, seen from TorchScript
    Row(_RUNTIME, Fault.RESOURCE, "can't allocate memory"),  # DefaultCPUAllocator
    Row(_RUNTIME, Fault.RESOURCE, "CUBLAS_STATUS_ALLOC_FAILED"),  # no room for its workspace
    Row("builtins.TimeoutError", Fault.TIMEOUT),  # of socket, asyncio and futures too
    Row("builtins.FileNotFoundError", Fault.INTERNAL),  # nobody will put it there in the meantime
    Row("builtins.PermissionError", Fault.INTERNAL),  # an operator's matter
    Row("builtins.IsADirectoryError", Fault.INTERNAL),  # a wrong path stays wrong
    Row("builtins.NotADirectoryError", Fault.INTERNAL),  # same
    Row("builtins.OSError", Fault.TRANSIENT),  # disk full, stale mount, connection refused: they pass
    Row("django.db.utils.OperationalError", Fault.TRANSIENT),  # the registry's database restarts
    Row("django.db.utils.InterfaceError", Fault.TRANSIENT),  # its connection was cut
)

_TORCH: Table = (
    Row(_RUNTIME, Fault.CRASH, "device-side assert"),  # from here on every call fails: the context is lost
    Row(_RUNTIME, Fault.CRASH, "illegal memory access"),  # same
    Row(_RUNTIME, Fault.CRASH, "unspecified launch failure"),  # same
    Row(_RUNTIME, Fault.CRASH, "misaligned address"),  # same
    Row(_RUNTIME, Fault.CRASH, "uncorrectable ECC"),  # same; another device may do
    Row(_RUNTIME, Fault.INVALID, "shapes cannot be multiplied"),  # a matrix product
    Row(_RUNTIME, Fault.INVALID, "must match the size of tensor"),  # broadcasting: a text too long
    Row(_RUNTIME, Fault.INVALID, "is invalid for input of size"),  # view and reshape
    Row(_RUNTIME, Fault.INVALID, "size mismatch"),  # vectors
    Row(_RUNTIME, Fault.INVALID, "Kernel size can't be greater than actual input size"),  # convolutions
    Row(_RUNTIME, Fault.INVALID, "channels, but got"),  # same
)

TRANSFORMER: Table = (
    Row("builtins.IndexError", Fault.INVALID, "index out of range in self"),  # a token or position too many
    Row("builtins.TypeError", Fault.INVALID, "TextInputSequence"),  # the tokenizer, of what is no text
    Row("builtins.TypeError", Fault.INVALID, "TextEncodeInput"),  # same, of several
    *_TORCH,
    *COMMON,
)

TORCHSCRIPT: Table = (
    Row("torch.jit.Error", Fault.INVALID),  # the program's own raise or assert: it has no clock or network
    Row("builtins.IndexError", Fault.INVALID, "index out of range in self"),  # an embedding's
    *_TORCH,
    *COMMON,
)

EXPORT: Table = (
    Row("builtins.AssertionError", Fault.INVALID, "Guard failed"),  # ExportedProgram.module(), of a shape
    Row(_RUNTIME, Fault.INVALID, "Expected input "),  # its input constraints
    Row(_RUNTIME, Fault.INVALID, "Unexpected number of dimensions in input"),  # same
    Row("builtins.IndexError", Fault.INVALID, "index out of range in self"),  # an embedding's
    *_TORCH,
    *COMMON,
)

# Whatever a Python callable raises of Python's own may be the item's fault or a bug: only what it says in
# the platform's words, and what its frameworks mean, is believed.
ENTRY_POINT: Table = (
    Row("httpx.TimeoutException", Fault.TIMEOUT),  # a model behind HTTP
    Row("httpx.TransportError", Fault.TRANSIENT),  # same; requests' and urllib's are OSErrors
    *_TORCH,
    *COMMON,
)

_OF_LOADER = {
    "transformer": TRANSFORMER,
    "torchscript": TORCHSCRIPT,
    "export": EXPORT,
    "entry_point": ENTRY_POINT,
}


def table_of(loader: str) -> Table:
    """Return the loader's table; what is common to all for one that is not known."""
    return _OF_LOADER.get(loader, COMMON)
