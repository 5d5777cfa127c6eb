"""Which values of a label the processes of the folder have counted with, living and ended ones."""

from __future__ import annotations

import os
from pathlib import Path

from jobs.counting.file_owner import FOLDER
from jobs.counting.shared_folder import SharedFolder


def labels_in_folder(name: str) -> set[str]:
    """Return a label's values; none where this process counts alone."""
    folder = os.environ.get(FOLDER, "")
    return SharedFolder(Path(folder)).read().labels(name) if folder else set()
