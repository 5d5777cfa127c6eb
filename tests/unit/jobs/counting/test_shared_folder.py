"""Restarts change no total, no counter goes back, and a crash half way through a fold costs nothing."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from jobs.counting.file_owner import FileOwner, lives
from jobs.counting.shared_folder import BROKEN, ENDED, LOCK, SharedFolder
from jobs.exporting.folder_collector import FolderCollector
from tests.support.threads import in_thread

RESTARTS = 300
EDGES = ("0.1", "1.0", "+Inf")


def count(folder: Path, owner: str, file: str, values: dict[tuple[str, ...], float]) -> None:
    """Write a file as a process does that counts: at once, because another may be reading."""
    fresh = MmapedDict(str(folder / "fresh"))  # type: ignore[no-untyped-call]  # no types
    for (metric, name, *labels), value in values.items():
        pairs = [label.split("=") for label in labels]
        key = mmap_key(metric, name, [pair[0] for pair in pairs], [pair[1] for pair in pairs], "Help.")
        fresh.write_value(key, value, time.time())  # type: ignore[no-untyped-call]  # it ships no types
    fresh.close()  # type: ignore[no-untyped-call]  # it ships no types
    (folder / "fresh").rename(folder / f"{file}_{owner}.db")


def one_start(folder: Path, owner: str | None = None) -> None:
    """Leave what one ended process counted: three of `a`, and an observation of 0.5."""
    owner = owner or f"99{secrets.randbelow(10**6)}-{secrets.token_hex(4)}"
    count(folder, owner, "counter", {("a", "a_total", "queue=q"): 3, ("b", "b_total"): 0})
    buckets: dict[tuple[str, ...], float] = {
        ("h", "h_bucket", f"le={edge}"): float(edge == "1.0") for edge in EDGES
    }
    count(folder, owner, "histogram", {("h", "h_sum"): 0.5, **buckets})
    count(folder, owner, "gauge_livesum", {("g", "g"): 7})


def page(folder: Path) -> list[str]:
    registry = CollectorRegistry(support_collectors_without_names=True)
    registry.register(FolderCollector(folder, deep=True))
    text = generate_latest(registry).decode()
    return [line for line in text.splitlines() if not line.startswith(("#", "process_"))]


def totals(starts: int) -> list[str]:
    return [
        f'a_total{{queue="q"}} {3.0 * starts}',
        "b_total 0.0",
        'h_bucket{le="0.1"} 0.0',
        f'h_bucket{{le="1.0"}} {1.0 * starts}',
        f'h_bucket{{le="+Inf"}} {1.0 * starts}',
        f"h_count {1.0 * starts}",
        f"h_sum {0.5 * starts}",
    ]


def test_of_300_restarts_every_total_is_left_in_one_file_and_a_scrape_is_quick(tmp_path: Path) -> None:
    for _ in range(RESTARTS):
        one_start(tmp_path)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        assert sorted(page(tmp_path)) == sorted(totals(RESTARTS))
        times.append(time.perf_counter() - began)
    print(f"the scrape that folds 300 restarts: {times[0]:.3f} s; the next: {times[1]:.4f} s")
    assert {path.name for path in tmp_path.iterdir()} == {ENDED, "fold.lock"}


def test_restarts_after_a_fold_add_to_it(tmp_path: Path) -> None:
    for starts in range(1, 4):
        one_start(tmp_path)
        assert sorted(page(tmp_path)) == sorted(totals(starts))


def test_no_reader_sees_a_counter_go_back_while_files_are_folded_beside_it(tmp_path: Path) -> None:
    folder, stop, seen = SharedFolder(tmp_path), Event(), 0.0

    def restart_and_fold() -> None:
        while not stop.is_set():
            one_start(tmp_path)
            SharedFolder(tmp_path).fold()

    with in_thread(restart_and_fold, stop):
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            now = sum(folder.read().sums["counter"].values())
            assert now >= seen
            seen = now
    assert seen > 9


def test_a_reader_that_a_fold_overtakes_reads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_start(tmp_path)
    folder = SharedFolder(tmp_path)
    list_files = folder._files

    def list_after_a_fold() -> Any:
        SharedFolder(tmp_path).fold()
        return list_files()

    monkeypatch.setattr(folder, "_files", list_after_a_fold)
    assert sum(folder.read().sums["counter"].values()) == 3


def broken_at(name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have the process die at the second file that it deletes, or before the sums take their place."""
    calls: Iterator[bool] = iter([name == "replace", True, True])

    def die(*_: Any, **__: Any) -> None:
        if next(calls):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, name, die)
    return monkeypatch.undo


@pytest.mark.parametrize("step", ["replace", "unlink"])
def test_a_crash_in_the_middle_of_a_fold_loses_nothing_and_counts_nothing_twice(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        one_start(tmp_path)
    mend = broken_at(step, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        SharedFolder(tmp_path).fold()
    mend()
    assert sum(SharedFolder(tmp_path).read().sums["counter"].values()) == 9
    one_start(tmp_path)
    for _ in range(2):
        assert sorted(page(tmp_path)) == sorted(totals(4))
    assert len(json.loads((tmp_path / ENDED).read_text())["sums"]["counter"]) == 2


def test_a_living_process_keeps_its_files_and_its_gauges_count(tmp_path: Path) -> None:
    owner = FileOwner(tmp_path)
    one_start(tmp_path, owner())
    one_start(tmp_path)
    assert sorted(page(tmp_path)) == sorted([*totals(2), "g 7.0"])
    assert lives(tmp_path, owner())
    assert (tmp_path / f"counter_{owner()}.db").exists()


def test_a_gauge_that_was_dropped_is_not_on_the_page_and_spoils_no_sum(tmp_path: Path) -> None:
    gone, there = FileOwner(tmp_path), FileOwner(tmp_path)
    count(tmp_path, gone(), "gauge_livesum", {("g", "g", "queue=q"): float("nan")})
    assert page(tmp_path) == []
    count(tmp_path, there(), "gauge_livesum", {("g", "g", "queue=q"): 2})
    assert page(tmp_path) == ['g{queue="q"} 2.0']


def test_only_one_process_folds_at_a_time(tmp_path: Path) -> None:
    one_start(tmp_path)
    folder = SharedFolder(tmp_path)
    with folder._alone() as alone:
        assert alone
        SharedFolder(tmp_path).fold()
        assert not (tmp_path / ENDED).exists()
    folder.fold()
    assert (tmp_path / ENDED).exists()


def test_a_page_of_the_whole_host_adds_up_the_folders_in_the_folder(tmp_path: Path) -> None:
    for name in ("relay", "beat"):
        (tmp_path / name).mkdir()
        one_start(tmp_path / name)
    one_start(tmp_path)
    assert sorted(page(tmp_path)) == sorted(totals(3))


@pytest.mark.parametrize("left", [8, 30, 60])
def test_of_a_file_that_a_crash_of_the_machine_broke_the_rest_is_counted(left: int, tmp_path: Path) -> None:
    one_start(tmp_path)
    one_start(tmp_path)
    broken = min(tmp_path.glob("counter_*.db"))
    broken.write_bytes(broken.read_bytes()[:left].ljust(300, b"\0"))
    for _ in range(2):
        assert 'a_total{queue="q"} 3.0' in page(tmp_path)
    one_start(tmp_path)
    assert 'a_total{queue="q"} 6.0' in page(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", '{"names": [], "sums": {"a', '{"names": []}', "\xff"])
def test_a_broken_file_of_the_ended_is_set_aside(text: str, tmp_path: Path) -> None:
    (tmp_path / ENDED).write_text(text, encoding="latin-1")
    one_start(tmp_path)
    for _ in range(2):
        assert sorted(page(tmp_path)) == sorted(totals(1))
    assert (tmp_path / BROKEN).exists()


def test_bytes_that_are_no_key_are_on_no_page_and_are_not_kept(tmp_path: Path) -> None:
    file = MmapedDict(str(tmp_path / "counter_99-a.db"))  # type: ignore[no-untyped-call]  # it ships no types
    for key in ("x", "[1, 2]", '["a", "a_total", [], "Help."]'):
        file.write_value(key, 1.0, 0.0)  # type: ignore[no-untyped-call]  # it ships no types
    file.close()  # type: ignore[no-untyped-call]  # it ships no types
    one_start(tmp_path)
    for _ in range(2):
        assert sorted(page(tmp_path)) == sorted(totals(1))


def test_a_folder_that_cannot_be_written_still_has_its_page(tmp_path: Path) -> None:
    one_start(tmp_path)
    (tmp_path / LOCK).mkdir()  # as any error of the disk, or another user's file, would do
    for _ in range(2):
        assert sorted(page(tmp_path)) == sorted(totals(1))
    assert not (tmp_path / ENDED).exists()


def test_what_cannot_be_read_is_left_out_and_stays(tmp_path: Path) -> None:
    one_start(tmp_path)
    (tmp_path / "counter_99-b.db").mkdir()
    (tmp_path / "98-c.owner").symlink_to("98-c.owner")  # opening it fails, as one of another user does
    assert sorted(page(tmp_path)) == sorted(totals(1))


def test_the_page_of_a_folder_that_is_gone_is_empty(tmp_path: Path) -> None:
    assert page(tmp_path / "gone") == []


def test_every_user_can_see_who_lives(tmp_path: Path) -> None:
    owner = FileOwner(tmp_path)
    owner()
    SharedFolder(tmp_path).fold()
    for name in (f"{owner()}.owner", LOCK):
        assert (tmp_path / name).stat().st_mode & 0o044 == 0o044
