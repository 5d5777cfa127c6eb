from __future__ import annotations

import os
from pathlib import Path

from jobs.counting.file_owner import FileOwner
from jobs.exporting.folder_collector import FolderCollector


def test_every_living_process_of_the_folder_has_its_memory_time_and_files_on_the_page(tmp_path: Path) -> None:
    owner = FileOwner(tmp_path / "relay")
    owner()
    families = {family.name: family for family in FolderCollector(tmp_path, deep=True).collect()}
    for name in ("process_resident_memory_bytes", "process_cpu_seconds", "process_open_fds"):
        assert [sample.labels for sample in families[name].samples] == [{"pid": str(os.getpid())}]
    assert list(FolderCollector(tmp_path, deep=False).collect()) == []
