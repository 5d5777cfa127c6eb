"""A killed group is gone when `end_group` returns."""

import os
import subprocess
import sys

import psutil

from inference_site.stack.leash import end_group

# The leader ends at once; a process with much memory takes the kernel a while to take apart.
LARGE = "import sys, time; held = bytearray(b'x') * 300_000_000; print('made', flush=True); time.sleep(600)"
LEADER = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {LARGE!r}])"


def test_no_process_of_the_group_is_left() -> None:
    words = [sys.executable, "-c", LEADER]
    leader = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert leader.stdout is not None
    with leader.stdout:
        assert leader.stdout.readline() == "made\n"
    leader.wait()
    assert end_group(leader.pid)
    assert not [process for process in psutil.process_iter() if _is_of(process, leader.pid)]


def _is_of(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ProcessLookupError):
        return False
