"""The order of copies and kernels, on a device that only records its calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from models_registry.loaders.transfer import Streams, transfer_to


class Diary:
    """A stand-in for torch that records each call on the device, with the name of its stream."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = "run"
        self.cuda = self
        self._made = iter(["up", "down"])

    def Stream(self, device: Any) -> Queue:  # noqa: N802  # torch names it so
        del device
        return Queue(self, next(self._made))

    def Event(self, *, blocking: bool) -> Mark:  # noqa: N802  # torch names it so
        assert blocking
        return Mark(self)

    def current_stream(self, device: Any) -> Queue:
        del device
        return Queue(self, self.now)

    @contextmanager
    def stream(self, stream: Queue) -> Iterator[None]:
        before, self.now = self.now, stream.name
        yield
        self.now = before

    def empty(self, shape: Any, *, dtype: Any, pin_memory: bool) -> Tensor:
        del shape, dtype
        return Tensor(self, "host", pinned=pin_memory)

    def write(self, line: str) -> None:
        self.lines.append(line)


class Queue:
    def __init__(self, diary: Diary, name: str) -> None:
        self.diary, self.name = diary, name

    def wait_event(self, event: Mark) -> None:
        self.diary.write(f"{self.name} waits for {event.stream}")


class Mark:
    stream = ""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    def record(self, stream: Queue) -> None:
        self.stream = stream.name

    def synchronize(self) -> None:
        self.diary.write(f"host waits for {self.stream}")


class Tensor:
    shape, dtype = (1,), "float32"

    def __init__(self, diary: Diary, name: str, *, pinned: bool = False) -> None:
        self.diary, self.name, self.pinned = diary, name, pinned

    def pin_memory(self) -> Tensor:
        return Tensor(self.diary, self.name, pinned=True)

    def to(self, device: Any, *, non_blocking: bool) -> Tensor:
        del device
        assert self.pinned
        assert non_blocking
        self.diary.write(f"{self.name} goes up on {self.diary.now}")
        return Tensor(self.diary, self.name)

    def copy_(self, tensor: Tensor, *, non_blocking: bool) -> Tensor:
        assert self.pinned
        assert non_blocking
        self.diary.write(f"{tensor.name} goes down on {self.diary.now}")
        return self

    def record_stream(self, stream: Queue) -> None:
        self.diary.write(f"{self.name} is kept for {stream.name}")


def test_batches_are_uploaded_and_outputs_downloaded_during_the_runs() -> None:
    diary = Diary()
    streams = Streams(diary, "cuda:0")
    sent = streams.send({"ids": Tensor(diary, "ids")})
    assert diary.lines == ["ids goes up on up"]
    arrived = streams.arrive(sent)
    assert diary.lines[1:] == ["run waits for up", "ids is kept for run"]
    assert list(arrived) == ["ids"]
    back = streams.send_back([Tensor(diary, "rows")])
    assert diary.lines[3:] == [
        "down waits for run",
        "rows is kept for down",
        "rows goes down on down",
        "host waits for run",
    ]
    (rows,) = streams.arrive_back(back)
    assert diary.lines[7:] == ["host waits for down"]
    assert back.sources is None  # the outputs have left the device
    assert rows.pinned


def test_on_a_cpu_the_very_tensors_come_back() -> None:
    import torch

    transfer = transfer_to(torch, torch.device("cpu"))
    tensor = torch.zeros(2)
    assert transfer.arrive(transfer.send({"x": tensor}))["x"] is tensor
    assert transfer.arrive_back(transfer.send_back([tensor]))[0] is tensor
