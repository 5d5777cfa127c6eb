"""Files of prometheus_client are read as it writes them."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

from jobs.counting.counter_files import entries, file_of


def test_every_key_and_value_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = MmapedDict(str(tmp_path / "file"))  # type: ignore[no-untyped-call]  # no types
    values = {"k" * length: (float(length), length / 2) for length in range(1, 3_000)}  # beyond one mapping
    for key, (value, at) in values.items():
        written.write_value(key, value, at)  # type: ignore[no-untyped-call]
    read = {key.decode(): (value, at) for key, value, at in entries(tmp_path / "file")}
    assert read == values
    written.close()  # type: ignore[no-untyped-call]


def test_a_file_that_was_just_made_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert list(entries(tmp_path / "file")) == []
    (tmp_path / "file").write_bytes(bytes(100))
    assert list(entries(tmp_path / "file")) == []


def test_a_name_says_kind_mode_and_owner() -> None:
    counter, gauge = file_of("counter_7-ab.db"), file_of("gauge_livemax_7-ab.db")
    assert (counter and counter.owner, counter and counter.summed) == ("7-ab", True)
    assert (gauge and gauge.mode, gauge and gauge.summed) == ("livemax", False)


def test_other_files_and_gauges_that_would_outlive_their_process_are_left_out() -> None:
    names = (
        "ended.json",
        "7-ab.owner",
        "fold.lock",
        "gauge_all_7.db",
        "gauge_max_7.db",
        "x.db",
        "counter_.new",
    )
    assert [file_of(name) for name in names] == [None] * len(names)
