"""Shifts the wall clock of a process by the seconds in the file that CHAOS_CLOCK names, read once, at start.

`datetime.now` reads the system's clock in C and is not shifted.
"""

import os
import time
from pathlib import Path


def _shift(seconds: float) -> None:
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)


_file = Path(os.environ.get("CHAOS_CLOCK", os.devnull))
if _file.is_file():
    _shift(float(_file.read_text()))
