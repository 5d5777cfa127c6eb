"""A disk without room costs what is counted from then on, and nothing else."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.counting.allocated_file import FIRST_BYTES, AllocatedFile
from jobs.counting.counter_files import entries

COUNT = """
from jobs.counting.file_owner import count_together
count_together()
from prometheus_client import Counter
one = Counter("a", "A.", ["name"])
for number in range(3_000):
    one.labels(str(number)).inc()
one.labels("0").inc()
print(one.labels("0")._value.get())
"""


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FIRST_BYTES, FIRST_BYTES))


def test_a_file_has_its_room_before_it_is_used(tmp_path: Path) -> None:
    file = AllocatedFile(str(tmp_path / "file"))
    assert (tmp_path / "file").stat().st_blocks * 512 >= FIRST_BYTES
    for number in range(3_000):
        file.write_value(f"{number:040}", number, 0.0)  # type: ignore[no-untyped-call]  # it ships no types
    stat = (tmp_path / "file").stat()
    assert stat.st_blocks * 512 >= stat.st_size > FIRST_BYTES
    assert [value for _, value, _ in entries(tmp_path / "file")] == list(range(3_000))
    file.close()  # type: ignore[no-untyped-call]  # it ships no types


def test_a_process_goes_on_where_a_file_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    file = AllocatedFile(str(tmp_path / "file"))
    file.write_value("key", 7.0, 0.0)  # type: ignore[no-untyped-call]  # it ships no types
    assert file.read_value("key") == (7.0, 0.0)  # type: ignore[no-untyped-call]  # it ships no types
    assert list(entries(tmp_path / "file")) == []
    assert "No space left on device" in caplog.text
    file.close()  # type: ignore[no-untyped-call]  # it ships no types


def test_a_process_goes_on_where_a_file_cannot_grow_and_its_page_keeps_what_was_counted(
    tmp_path: Path,
) -> None:
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    words = [sys.executable, "-c", COUNT]
    ran = subprocess.run(words, env=env, preexec_fn=limited, capture_output=True, text=True, check=True)
    assert ran.stdout == "2.0\n"
    (written,) = tmp_path.glob("counter_*.db")
    assert {value for _, value, _ in entries(written)} == {1.0}
