"""A GPU, asked through NVIDIA's driver: which one it is, and whether it still runs a kernel.

Every framework uses the same context, so this sees what happened to theirs. Run by its path, this file is a
fresh process that asks once; so it imports the standard library alone.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from typing import Any
from uuid import UUID

LIBRARY = "libcuda.so.1"
OUT_OF_MEMORY = 2
NO_DEVICE = 100
ABSENT_STATUS, SILENT_STATUS = 3, 4  # of this file's process
MARK, SIZE = 0xA5, 64  # what the kernel writes, and how many bytes
COUNT = "count"  # the word that asks this file for the number of GPUs
NON_BLOCKING = 1  # the stream does not wait for the default one
URGENT = -5  # a small number goes first; the driver clamps it


class DriverError(Exception):
    """The driver answered a call with an error."""

    def __init__(self, call: str, code: int, words: str) -> None:
        super().__init__(f"{call}: {words} ({code})")
        self.code = code


class NoDriverError(DriverError):
    """There is no driver, or it knows no GPU."""


class Gpu:
    """The first GPU that this process may see; its context stays in use until the process ends."""

    def __init__(self) -> None:
        """Open the device; DriverError where it does not answer, NoDriverError where there is none."""
        self._cuda = _library()
        self._call("cuInit", c_uint(0))
        self._device, self._context, self._stream = c_int(), c_void_p(), c_void_p()
        self._call("cuDeviceGet", byref(self._device), c_int(0))
        self._call("cuDevicePrimaryCtxRetain", byref(self._context), self._device)
        self._call("cuCtxSetCurrent", self._context)
        self._call("cuStreamCreateWithPriority", byref(self._stream), c_uint(NON_BLOCKING), c_int(URGENT))
        self._kept = self._allocated()

    @property
    def uuid(self) -> str:
        """Return its UUID as `nvidia-smi -L` shows it: GPU-…, or MIG-… for a part of one."""
        whole, own = (self._uuid(call) for call in ("cuDeviceGetUuid", "cuDeviceGetUuid_v2"))
        return f"{'GPU' if whole == own else 'MIG'}-{own}"

    def run(self) -> None:
        """Allocate, run a kernel and copy what it wrote; DriverError where that fails. On any thread."""
        self._call("cuCtxSetCurrent", self._context)
        try:
            self._write(own := self._allocated())
            self._call("cuMemFree_v2", own)
        except DriverError as error:
            if error.code != OUT_OF_MEMORY:
                raise
            self._write(self._kept)  # the models fill the memory, but the device may run

    def _write(self, place: c_uint64) -> None:
        host = (c_ubyte * SIZE)()
        self._call("cuMemsetD8Async", place, c_ubyte(MARK), c_size_t(SIZE), self._stream)
        self._call("cuMemcpyDtoHAsync_v2", host, place, c_size_t(SIZE), self._stream)
        self._call("cuStreamSynchronize", self._stream)
        if bytes(host) != bytes([MARK] * SIZE):
            raise DriverError("cuMemsetD8Async", 0, "the device returned other bytes than it was to write")

    def _allocated(self) -> c_uint64:
        place = c_uint64()
        self._call("cuMemAlloc_v2", byref(place), c_size_t(SIZE))
        return place

    def _uuid(self, call: str) -> UUID:
        octets = (c_char * 16)()
        self._call(call, octets, self._device)
        return UUID(bytes=bytes(octets))

    def _call(self, name: str, *arguments: Any) -> None:
        code = int(getattr(self._cuda, name)(*arguments))
        if code:
            kind = NoDriverError if code == NO_DEVICE else DriverError
            raise kind(name, code, self._words(code))

    def _words(self, code: int) -> str:
        text = c_char_p()
        self._cuda.cuGetErrorString.argtypes = [c_int, POINTER(c_char_p)]
        self._cuda.cuGetErrorString(code, byref(text))
        return (text.value or b"unknown error").decode("utf-8", "replace")


def _library() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise NoDriverError(LIBRARY, 0, str(error)) from error


def count() -> int:
    """Print how many GPUs this process may see, and return its exit status."""
    try:
        cuda, number = _library(), c_int()
    except NoDriverError as error:
        print(error)  # noqa: T201  # the answer to the process that asks
        return ABSENT_STATUS
    if cuda.cuInit(c_uint(0)) or cuda.cuDeviceGetCount(byref(number)):
        return ABSENT_STATUS
    print(number.value)  # noqa: T201
    return 0


def answer() -> int:
    """Ask the GPU once; print its UUID, or what is wrong, and return this process's exit status."""
    try:
        gpu = Gpu()
        gpu.run()
        print(gpu.uuid)  # noqa: T201  # the answer to the process that asks
    except NoDriverError as error:
        print(error)  # noqa: T201
        return ABSENT_STATUS
    except DriverError as error:
        print(error)  # noqa: T201
        return SILENT_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(count() if sys.argv[1:] == [COUNT] else answer())
