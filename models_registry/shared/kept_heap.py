"""What a process has loaded once stays: full collections of garbage leave it out.

A full collection looks through every object of the process, and holds up all of its threads meanwhile: some
150 ms in a worker, several times in its first 20,000 jobs, a tenth of what they cost.
"""

from __future__ import annotations

import gc


def keep_heap() -> None:
    """Collect garbage now, and leave all that remains out of later collections; called once all is loaded."""
    gc.collect()
    gc.freeze()


def collect_all() -> None:
    """Collect garbage among all objects, those of a kept heap too, which is kept again."""
    is_kept = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    if is_kept:
        gc.freeze()
