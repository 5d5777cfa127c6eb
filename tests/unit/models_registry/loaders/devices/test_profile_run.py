"""A full batch of copies of the example shows what batches need beside the weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from models_registry.core.version import VersionInfo
from models_registry.loaders.builtin import Echo
from models_registry.loaders.devices.profile_run import full_batch, working_bytes

WEIGHTS, PER_ITEM = 1_000, 10
BLANK = VersionInfo(
    id=1, model_id=1, model="m", version="1", loader="entry_point", artifact="", sha256="", max_batch=32,
    max_padded_size=0, padded=True, p95_goal_s=1.0, max_attempts=3, input_schema={}, output_schema={},
    example={"text": "ab"}, options={},
)  # fmt: skip


@dataclass
class Device(Echo):
    """A model and the memory of its device, in which `fits` items have room; it is the reader too."""

    fits: int = 10**6
    error: Exception | None = None
    peak: int = 0
    ran: list[int] = field(default_factory=list)
    handed_back: int = 0

    def run(self, batch: list[Any]) -> list[Any]:
        self.ran.append(len(batch))
        self.peak = max(self.peak, WEIGHTS + min(len(batch), self.fits) * PER_ITEM)
        if self.error is not None:
            raise self.error
        if len(batch) > self.fits:
            raise MemoryError
        return batch

    def start_peak(self) -> int | None:
        self.peak = WEIGHTS
        return WEIGHTS

    def peak_bytes(self) -> int:
        return self.peak

    def hand_back(self) -> None:
        self.handed_back += 1


def version(**fields: Any) -> VersionInfo:
    return replace(BLANK, **fields)


def needs(device: Device, info: VersionInfo, on: str = "cuda:0") -> int:
    return working_bytes(device, info, on, reader=device)


def test_a_full_batch_is_what_counts() -> None:
    device = Device()
    assert needs(device, version()) == 32 * PER_ITEM
    assert device.ran == [32]


def test_a_batch_is_as_large_as_its_padded_size_and_profile_allow() -> None:
    assert full_batch(version(max_padded_size=60)) == 4  # the example has 13 bytes
    assert full_batch(version(max_padded_size=5)) == 1
    device = Device()
    needs(device, version(options={"profiles": {"cuda": {"max_batch": 8}}}))
    assert device.ran == [8]


def test_an_example_counts_up_to_what_the_model_reads_of_it() -> None:
    class Short(Echo):
        longest_bytes = 5

    assert full_batch(version(max_padded_size=60), Short()) == 12


def test_a_batch_that_does_not_fit_is_halved() -> None:
    device = Device(fits=9)
    assert needs(device, version()) == 8 * PER_ITEM
    assert (device.ran, device.handed_back) == ([32, 16, 8], 2)


def test_memory_that_lacks_for_one_item_fails_the_load() -> None:
    device = Device(fits=0)
    with pytest.raises(MemoryError):
        needs(device, version(max_batch=4))
    assert device.ran == [4, 2, 1]


def test_a_device_that_is_gone_fails_the_load_and_any_other_error_does_not() -> None:
    with pytest.raises(RuntimeError):
        needs(Device(error=RuntimeError("CUDA error: unspecified launch failure")), version())
    assert needs(Device(error=ValueError("copies")), version()) == 0


@pytest.mark.parametrize(("on", "fields"), [("cpu", {}), ("cuda:0", {"example": None})])
def test_nothing_runs_on_a_cpu_or_without_an_example(on: str, fields: dict[str, Any]) -> None:
    device = Device()
    assert needs(device, version(**fields), on) == 0
    assert device.ran == []


def test_a_model_that_uses_no_device_needs_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    monkeypatch.setattr(device, "start_peak", lambda: None)
    assert needs(device, version()) == 0
