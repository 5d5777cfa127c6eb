"""Each process has a name of its own in the folder, and is known to live as long as it does."""

from __future__ import annotations

import os
from pathlib import Path

from jobs.counting.file_owner import FileOwner, lives, pid_of


def test_two_processes_with_one_id_have_different_names(tmp_path: Path) -> None:
    first, second = FileOwner(tmp_path), FileOwner(tmp_path)
    assert first() == first() != second()
    assert {pid_of(first()), pid_of(second())} == {os.getpid()}


def test_a_forked_process_has_a_name_of_its_own_until_it_ends(tmp_path: Path) -> None:
    owner, (asks, answers), (waits, ends) = FileOwner(tmp_path), os.pipe(), os.pipe()
    parent = owner()
    child = os.fork()
    if not child:
        os.write(answers, owner().encode())
        os.read(waits, 1)
        os._exit(0)
    forked = os.read(asks, 100).decode()
    assert pid_of(forked) == child
    assert parent != forked
    assert lives(tmp_path, forked)
    os.write(ends, b"x")
    os.waitpid(child, 0)
    assert not lives(tmp_path, forked)
    assert lives(tmp_path, parent)
    for end in (asks, answers, waits, ends):
        os.close(end)


def test_nobody_lives_under_a_name_without_a_mark(tmp_path: Path) -> None:
    assert not lives(tmp_path, "12-abc")


def test_other_programs_name_their_files_by_their_process_alone(tmp_path: Path) -> None:
    assert lives(tmp_path, str(os.getpid()))
    assert not lives(tmp_path, str(2**22 + 1))
