"""Several versions share a worker's memory: which ones are unloaded, wait or are too large."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from models_registry.core.registry_errors import LoadFailedError, OverBudgetError
from models_registry.core.runner import Item, answer
from models_registry.loaders import builtin, memory
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.loaders.load import load
from models_registry.pool import Loaded, ModelPool
from models_registry.services import register_version
from models_registry.services.register_builtin import MODELS
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("db")
MIB = 2**20
GENEROUS_S = 60


def register(name: str, size_bytes: int, **fields: Any) -> int:
    return register_version(
        **{"name": name, "version": "1", "loader": "entry_point", "artifact": BUILT_IN["echo"],
           "options": {"memory_bytes": size_bytes}} | fields
    ).id  # fmt: skip


class Heavy(builtin.Echo):
    """A model that says how much memory it occupies."""

    def memory_bytes(self) -> int:
        return 500


def again(pool: ModelPool, version: int) -> Loaded:
    """Load a version although that failed a moment ago, or it was unloaded."""
    pool.begin_anew(version)
    return pool.runner(version)


def loaded(pool: ModelPool) -> list[str]:
    return [entry.info.model for entry in pool.loaded()]


def a_thread(target: Callable[..., Any], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args)
    thread.start()
    return thread


def waits(pool: ModelPool) -> bool:
    return bool(pool._changed._waiters)  # type: ignore[attr-defined]  # a condition tells no other way


def test_the_least_recently_used_version_is_unloaded_when_another_needs_its_memory() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=100)
    first, second, third = register("a", 40), register("b", 40), register("c", 40)
    for version in (first, second, first, third):
        pool.runner(version)
    assert loaded(pool) == ["a", "c"]
    pool.runner(second)
    assert loaded(pool) == ["c", "b"]


def test_a_version_in_use_is_waited_for_and_not_unloaded() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=100)
    first, second = register("a", 60), register("b", 60)
    held = pool.acquire(first)
    thread = a_thread(pool.runner, second)
    wait_until(lambda: waits(pool))
    assert loaded(pool) == ["a"]
    assert answer(held.runner, [Item(1)]) == [1]
    pool.release(first)
    thread.join(GENEROUS_S)
    assert loaded(pool) == ["b"]


def test_a_lease_ends_also_when_its_block_raises() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=100)
    first, second = register("a", 60), register("b", 60)
    with pytest.raises(ValueError, match="in the block"), pool.lease(first):
        raise ValueError("in the block")
    assert pool.runner(second).info.model == "b"


def test_a_wait_too_long_for_memory_raises_and_can_be_retried() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=100)
    pool.ROOM_S = 0.02
    first, second = register("a", 60), register("b", 60)
    pool.acquire(first)
    with pytest.raises(LoadFailedError, match="no room") as caught:
        pool.runner(second)
    assert caught.value.retryable
    pool.release(first)
    assert again(pool, second).info.model == "b"


def test_a_version_larger_than_the_budget_is_refused_with_both_sizes() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=100 * MIB)
    small, large = register("a", 60 * MIB), register("b", 101 * MIB)
    pool.runner(small)
    with pytest.raises(OverBudgetError, match=r"b:1 occupies 101\.0 MiB, and this worker has 100\.0 MiB"):
        pool.runner(large)
    assert loaded(pool) == ["a"]


def test_a_pinned_version_never_leaves() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=100)
    first, second = register("a", 60), register("b", 60)
    pool.runner(first)
    pool.keep(pinned=[first], shared=[], warm=[])
    with pytest.raises(OverBudgetError):
        pool.runner(second)
    pool.keep(pinned=[], shared=[], warm=[])
    assert again(pool, second).info.model == "b"


def test_a_load_that_fails_leaves_its_room_to_others() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=100)
    broken = register("broken", 60, artifact=BUILT_IN["faulty"], example={"fail": "raise"})
    with pytest.raises(LoadFailedError):
        pool.runner(broken)
    first, second = register("a", 50), register("b", 50)
    pool.acquire(first)
    pool.acquire(second)
    assert loaded(pool) == ["a", "b"]


def test_an_unloaded_version_leaves_after_its_last_batch() -> None:
    pool, version = ModelPool("cpu"), register("a", 1)
    pool.acquire(version)
    pool.acquire(version)
    assert not pool.unload(version)
    pool.release(version)
    assert loaded(pool) == ["a"]
    pool.release(version)
    assert loaded(pool) == []
    assert pool.unload(version)


def test_an_unloaded_version_serves_a_late_batch_and_leaves() -> None:
    pool, version = ModelPool("cpu"), register("a", 1)
    pool.runner(version)
    assert pool.unload(version)
    with pool.lease(version) as late:
        assert answer(late.runner, [Item(1)]) == [1]
    assert loaded(pool) == []
    again(pool, version)
    assert loaded(pool) == ["a"]


def test_an_unloaded_version_stays_if_it_is_loaded_again_in_time() -> None:
    pool, version = ModelPool("cpu"), register("a", 1)
    pool.acquire(version)
    pool.unload(version)
    again(pool, version)
    pool.release(version)
    assert loaded(pool) == ["a"]


def test_an_unloaded_version_occupies_no_memory() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=100)
    first, second = register("a", 60), register("b", 60)
    gone = weakref.ref(pool.runner(first).runner)
    pool.runner(second)
    gc.collect()
    assert gone() is None


def test_loading_by_many_threads_never_exceeds_the_budget_and_all_are_served() -> None:
    budget = 100
    pool = ModelPool("cpu", memory_budget_bytes=budget)
    versions = [register(f"m{n}", size) for n, size in enumerate((30, 40, 50, 60))]
    most, served = list[int](), list[int]()

    def use(start: int) -> None:
        for turn in range(25):
            with pool.lease(versions[(start + turn) % 4]) as held:
                most.append(pool._residency.occupied_bytes)
                served.extend(answer(held.runner, [Item(turn)]))

    threads = [a_thread(use, n) for n in range(4)]
    for thread in threads:
        thread.join(GENEROUS_S)
    assert len(served) == 100
    assert max(most) <= budget


def minilm(version: str, **options: Any) -> int:
    return register_version(name="minilm", version=version, **{**MODELS["minilm"], "options": options}).id


def test_a_real_model_is_weighed_and_two_take_turns_in_the_room_of_one() -> None:
    first, second = minilm("1"), minilm("2", max_length=64)
    pool = ModelPool("cpu", memory_budget_bytes=100 * MIB)
    (weighed,) = (pool.runner(first) for _ in range(1))
    assert 80 * MIB < weighed.memory_bytes < 100 * MIB
    del weighed
    pool.runner(second)
    assert [entry.info.version for entry in pool.loaded()] == ["2"]


def test_a_file_larger_than_the_budget_is_tried_because_it_may_be_smaller_once_loaded() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=60 * MIB)
    halved = pool.runner(minilm("half", dtype="bfloat16"))
    assert halved.memory_bytes < 50 * MIB
    with pytest.raises(OverBudgetError, match="minilm:1 occupies"):
        pool.runner(minilm("1"))


def test_allocated_memory_counts_for_a_version_only_if_nothing_else_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings = iter([1_000, 1_700, 1_700, 9_000])
    monkeypatch.setattr(memory, "allocated_bytes", lambda: next(readings))
    alone, beside = register("a", 0, options={}), register("b", 0, options={})
    # A class of its own: whether Echo has the method is remembered for as long as the process lives.
    monkeypatch.setattr(builtin, "Echo", Heavy)
    pool = ModelPool("cpu")
    assert pool.acquire(alone).memory_bytes == 700
    assert pool.acquire(beside).memory_bytes == 500


def test_what_a_full_batch_needs_counts_beside_the_weights_where_nothing_else_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "start_peak", lambda: 1_000)
    monkeypatch.setattr(memory, "peak_bytes", lambda: 1_000 + 30)
    first, second, third = (register(name, 40, example={}) for name in "abc")
    pool = ModelPool("cuda:0", memory_budget_bytes=115)
    assert pool.runner(first).working_bytes == 30
    pool.acquire(second)
    assert loaded(pool) == ["a", "b"]  # one batch runs at once, so its bytes count once
    assert pool.runner(third).working_bytes == 0  # another version's batch may run
    assert loaded(pool) == ["b", "c"]
    monkeypatch.setattr(memory, "peak_bytes", lambda: 1_000 + 30 * MIB)
    pool, big = ModelPool("cuda:0", memory_budget_bytes=100 * MIB), register("big", 90 * MIB, example={})
    with pytest.raises(OverBudgetError, match=r"has 70\.0 MiB for it beside the 30\.0 MiB of a full batch"):
        pool.runner(big)


def test_a_load_that_runs_out_of_memory_is_tried_again_with_less_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = ModelPool("cpu")
    first, second, third = register("a", 1), register("b", 1), register("c", 1)
    pool.runner(first)
    pool.acquire(second)
    tries = list[list[str]]()

    def full(*args: Any) -> Any:
        tries.append(loaded(pool))
        if len(loaded(pool)) > 1:
            raise MemoryError
        return load(*args)

    monkeypatch.setattr("models_registry.loaders.ready.load", full)
    pool.runner(third)
    assert tries == [["a", "b"], ["b"]]
    assert loaded(pool) == ["b", "c"]


def test_a_version_loaded_for_a_batch_runs_it_before_it_leaves_for_another() -> None:
    pool = ModelPool("cpu", memory_budget_bytes=100)
    first, second = register("a", 60), register("b", 60)
    pool.acquire(first)
    thread = a_thread(pool.runner, second)
    wait_until(lambda: waits(pool))
    assert pool.hold(first) is None
    assert pool.hold(first, promised=True) is not None
    for _ in range(2):
        pool.release(first)
    thread.join(GENEROUS_S)
    assert loaded(pool) == ["b"]


def test_a_disk_that_fails_lets_the_version_rest_as_any_failed_load_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> int:
        raise OSError("input/output error")

    monkeypatch.setattr("models_registry.pool.file_bytes", fail)
    pool, version = ModelPool("cpu", memory_budget_bytes=100), register("a", 60, options={})
    with pytest.raises(LoadFailedError, match="OSError: input/output error"):
        pool.runner(version)
    assert pool.retry_in_s(version)
