"""A message's size is a length where the version pads, and else the memory that its input takes."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits, SealReason
from jobs.core.messages.envelope import Envelope
from jobs.worker.message_delivery import MessageDelivery
from jobs.worker.stages.buffer import Buffer

LIMITS = {1: BatchLimits(64, max_input_bytes=100), 2: BatchLimits(64, max_input_bytes=100, padded=True)}


def deliveries(version: int, sizes: list[int]) -> list[MessageDelivery]:
    parcel: Any = SimpleNamespace(message=None, open_jobs=len(sizes), generation=1, slow=False)
    return [
        MessageDelivery(parcel, Envelope(UUID(int=at), 0, version, 4, size=size), task=None)
        for at, size in enumerate(sizes)
    ]


def test_a_batch_of_a_version_that_does_not_pad_counts_items_and_is_bounded_in_bytes() -> None:
    buffer = Buffer(BatchPolicy(lambda key: LIMITS[int(str(key))]))
    buffer.add(deliveries(1, [40, 40, 40, 0]))
    sealed = buffer.next()
    assert sealed is not None
    assert (len(sealed.tokens), sealed.padded_size, sealed.reason) == (2, 2, SealReason.BYTES)
    assert {delivery.units for delivery in sealed.tokens} == {1}


def test_a_batch_of_a_version_that_pads_has_the_size_of_its_longest() -> None:
    buffer = Buffer(BatchPolicy(lambda key: LIMITS[int(str(key))]))
    buffer.add(deliveries(2, [30, 30, 20]))
    sealed = buffer.next()
    assert sealed is not None
    assert (len(sealed.tokens), sealed.padded_size) == (3, 90)
    assert [delivery.units for delivery in sealed.tokens] == [30, 30, 20]


def test_a_long_text_counts_as_what_the_model_reads_of_it() -> None:
    limits = BatchLimits(64, max_padded_size=64 * 1_200, padded=True, longest=1_200)
    buffer = Buffer(BatchPolicy(lambda _: limits))
    buffer.add(deliveries(2, [1_200] * 63 + [20_000]))
    sealed = buffer.next()
    assert sealed is not None
    assert (len(sealed.tokens), sealed.padded_size) == (64, 64 * 1_200)
    assert {delivery.units for delivery in sealed.tokens} == {1_200}


def test_a_version_that_is_loaded_meanwhile_cuts_texts_that_wait_already() -> None:
    limits = [BatchLimits(64, max_padded_size=64 * 1_200, padded=True)]
    buffer = Buffer(BatchPolicy(lambda _: limits[0]))
    buffer.add(deliveries(2, [20_000] + [1_200] * 63))
    limits[0] = replace(limits[0], longest=1_200)
    sealed = buffer.next()
    assert sealed is not None
    assert len(sealed.tokens) == 64
