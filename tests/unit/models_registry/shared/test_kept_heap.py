"""A kept heap is left out of full collections, and only a collection of all looks through it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from models_registry.loaders import memory
from models_registry.shared.kept_heap import collect_all, keep_heap


class Knot:
    """An object that only a collection frees."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def _free() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_kept_is_collected_only_among_all_and_kept_again() -> None:
    knot = Knot()
    gone = weakref.ref(knot)
    keep_heap()
    kept = gc.get_freeze_count()
    del knot
    gc.collect()
    assert gone() is not None
    collect_all()
    assert gone() is None
    assert gc.get_freeze_count() == pytest.approx(kept, rel=0.1)


def test_a_model_that_left_memory_is_freed_although_the_heap_was_kept() -> None:
    model = Knot()
    gone = weakref.ref(model)
    keep_heap()
    del model
    memory.collect()
    assert gone() is None


def test_where_nothing_is_kept_a_collection_keeps_nothing() -> None:
    collect_all()
    assert gc.get_freeze_count() == 0
