"""Copies between host and device: on a GPU they have streams of their own, so that they overlap the runs.

While batch n runs, batch n+1 is copied to the device and the outputs of n-1 are copied back. A run ends
when its kernels have ended, not when they are queued, so that the measured time is the device's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Transfer(Protocol):
    """Carries a batch's tensors to the device and its outputs back."""

    def send(self, tensors: Mapping[str, Any]) -> Any:
        """Start copying tensors from host memory to the device; called by the thread that collates."""

    def arrive(self, sent: Any) -> dict[str, Any]:
        """Return the tensors on the device, ready for the kernels that the caller queues next."""

    def send_back(self, outputs: Sequence[Any]) -> Any:
        """Start copying outputs back, and return when the kernels that made them have ended."""

    def arrive_back(self, sent: Any) -> list[Any]:
        """Return the outputs in host memory."""


def transfer_to(torch: Any, device: Any) -> Transfer:
    """Return the transfer to and from `device`, a torch.device."""
    return Streams(torch, device) if device.type == "cuda" else InPlace()


class InPlace:
    """The device is the host, so nothing is copied."""

    def send(self, tensors: Mapping[str, Any]) -> Any:
        """Return the tensors."""
        return tensors

    def arrive(self, sent: Any) -> dict[str, Any]:
        """Return the tensors."""
        return dict(sent)

    def send_back(self, outputs: Sequence[Any]) -> Any:
        """Return the outputs."""
        return outputs

    def arrive_back(self, sent: Any) -> list[Any]:
        """Return the outputs."""
        return list(sent)


@dataclass(slots=True)
class _Sent:
    """Tensors that are copied once the event `done` has happened; `sources` must live until then."""

    tensors: Any
    done: Any
    sources: Any


class Streams:
    """A GPU's two copy engines: a stream in each direction, beside the one of the kernels."""

    def __init__(self, torch: Any, device: Any) -> None:
        self._torch, self._device = torch, device
        self._up, self._down = torch.cuda.Stream(device), torch.cuda.Stream(device)

    def send(self, tensors: Mapping[str, Any]) -> _Sent:
        """Queue the copies to the device, from pinned host memory."""
        pinned = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        with self._torch.cuda.stream(self._up):
            copies = {name: t.to(self._device, non_blocking=True) for name, t in pinned.items()}
        return _Sent(copies, self._mark(self._up), pinned)

    def arrive(self, sent: _Sent) -> dict[str, Any]:
        """Return the tensors; the caller's stream waits for the copies, the caller does not."""
        current = self._torch.cuda.current_stream(self._device)
        current.wait_event(sent.done)
        for tensor in sent.tensors.values():
            tensor.record_stream(current)  # else the next copy could reuse its memory during the run
        return dict(sent.tensors)

    def send_back(self, outputs: Sequence[Any]) -> _Sent:
        """Queue the copies back after the run, into pinned host memory, and wait for the run."""
        ran = self._mark(self._torch.cuda.current_stream(self._device))
        with self._torch.cuda.stream(self._down):
            self._down.wait_event(ran)
            host = [self._copy_back(tensor) for tensor in outputs]
        done = self._mark(self._down)
        ran.synchronize()
        return _Sent(host, done, list(outputs))

    def arrive_back(self, sent: _Sent) -> list[Any]:
        """Wait for the copies, and return them."""
        sent.done.synchronize()
        sent.sources = None  # what is on the host leaves the device before it is converted
        return list(sent.tensors)

    def _copy_back(self, tensor: Any) -> Any:
        host = self._torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        tensor.record_stream(self._down)
        return host.copy_(tensor, non_blocking=True)

    def _mark(self, stream: Any) -> Any:
        event = self._torch.cuda.Event(blocking=True)  # so that waiting does not burn a core
        event.record(stream)
        return event
