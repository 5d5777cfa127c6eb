"""Deliveries of a version that is being loaded stay in the buffer, and other keys' batches are sealed."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.worker.stages.awaited_loads import AwaitedLoads
from jobs.worker.stages.buffer import Buffer
from tests.unit.jobs.worker.stages.test_buffer import deliveries


class Loader:
    def __init__(self) -> None:
        self.future = Future[None]()

    def request(self, _version: int) -> Future[None]:
        return self.future


def test_a_key_is_unsealed_while_its_version_loads_and_others_go_on() -> None:
    buffer, loader = Buffer(BatchPolicy(lambda _: BatchLimits(max_batch=2))), Loader()
    loads: Any = AwaitedLoads(buffer, loader)  # type: ignore[arg-type]  # stands in for one
    assert loads.keep(1, deliveries(1, [1]))
    buffer.add([*deliveries(1, [1]), *deliveries(2, [1])])
    sealed = buffer.next()
    assert sealed is not None
    assert (sealed.key, len(sealed.tokens)) == (2, 1)
    buffer.withdraw()
    # What is beyond one batch is sealed, to be sent elsewhere.
    buffer.add(deliveries(1, [1]))
    surplus = buffer.next()
    assert surplus is not None
    assert (surplus.key, len(surplus.tokens)) == (1, 1)
    buffer.withdraw()
    assert not loads.keep(1, surplus.tokens)
    assert 1.0 <= loads.put_back_s(1) <= 10.0
    loader.future.set_result(None)
    sealed = buffer.next()
    assert sealed is not None
    assert (sealed.key, len(sealed.tokens)) == (1, 2)
    assert loads.keep(1, sealed.tokens)
