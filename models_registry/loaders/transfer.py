"""Copies between host and device: on a GPU they have streams of their own, so that they overlap the runs.

While batch n runs, n+1 is on its way to the device and the outputs of n-1 on their way back. A run ends
when its kernels have ended, not when they were queued: what is learned of a batch's time is the device's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Transfer(Protocol):
    """Carries a batch's tensors to the device and its outputs back."""

    def send(self, tensors: Mapping[str, Any]) -> Any:
        """Begin to bring tensors from host memory to the device; the thread that collates calls it."""

    def arrive(self, sent: Any) -> dict[str, Any]:
        """Return what was sent, fit for the kernels that the caller queues next."""

    def send_back(self, outputs: Sequence[Any]) -> Any:
        """Begin to bring outputs back, and return once the kernels that made them have ended."""

    def arrive_back(self, sent: Any) -> list[Any]:
        """Return the outputs in host memory."""


def transfer_to(torch: Any, device: Any) -> Transfer:
    """Return how tensors get to `device`, a torch.device, and back."""
    return Streams(torch, device) if device.type == "cuda" else InPlace()


class InPlace:
    """The host is the device: nothing is copied."""

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


@dataclass(frozen=True, slots=True)
class _Sent:
    """Tensors whose copies end with `there`, an event; `held` are their sources, kept until then."""

    tensors: Any
    there: Any
    held: Any


class Streams:
    """A GPU's two copy engines: one stream up, one down, beside the one that the kernels run on."""

    def __init__(self, torch: Any, device: Any) -> None:
        self._torch, self._device = torch, device
        self._up, self._down = torch.cuda.Stream(device), torch.cuda.Stream(device)

    def send(self, tensors: Mapping[str, Any]) -> _Sent:
        """Queue the copies up, from pinned host memory."""
        pinned = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        with self._torch.cuda.stream(self._up):
            there = {name: t.to(self._device, non_blocking=True) for name, t in pinned.items()}
        return _Sent(there, self._mark(self._up), pinned)

    def arrive(self, sent: _Sent) -> dict[str, Any]:
        """Let the caller's stream wait for the copies, the caller itself does not."""
        current = self._torch.cuda.current_stream(self._device)
        current.wait_event(sent.there)
        for tensor in sent.tensors.values():
            tensor.record_stream(current)  # or its memory might serve the next copy before the run is over
        return dict(sent.tensors)

    def send_back(self, outputs: Sequence[Any]) -> _Sent:
        """Queue the copies down behind the run, into pinned host memory, and wait for the run."""
        ran = self._mark(self._torch.cuda.current_stream(self._device))
        with self._torch.cuda.stream(self._down):
            self._down.wait_event(ran)
            host = [self._copied_down(tensor) for tensor in outputs]
        there = self._mark(self._down)
        ran.synchronize()
        return _Sent(host, there, list(outputs))

    def arrive_back(self, sent: _Sent) -> list[Any]:
        """Wait for the copies down, and return them."""
        sent.there.synchronize()
        return list(sent.tensors)

    def _copied_down(self, tensor: Any) -> Any:
        host = self._torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        tensor.record_stream(self._down)
        return host.copy_(tensor, non_blocking=True)

    def _mark(self, stream: Any) -> Any:
        event = self._torch.cuda.Event(blocking=True)  # waiting for it must not burn a core
        event.record(stream)
        return event
