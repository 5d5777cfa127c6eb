"""The metrics of all processes that count in one folder, and what the system knows of each process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from jobs.counting.file_owner import pid_of
from jobs.counting.folder_counts import FolderCounts
from jobs.counting.shared_folder import SharedFolder


class FolderCollector(Collector):
    """Reads the folder again for each page; what ended processes counted is folded away first."""

    def __init__(self, path: Path, *, deep: bool) -> None:
        """Read `path`, and its subfolders if `deep`."""
        self._path, self._deep = path, deep

    def collect(self) -> Iterable[Metric]:
        """Yield what the processes have counted, then their memory, processor time and files."""
        total, pids = FolderCounts(), set[int]()
        for folder in self._folders():
            folder.fold()
            total.merge(folder.read())
            pids |= {pid_of(owner) for owner in folder.living()}
        yield from total.metrics()
        yield from _of_system(sorted(pids))

    def _folders(self) -> Iterator[SharedFolder]:
        yield SharedFolder(self._path)
        if self._deep:
            yield from (SharedFolder(path) for path in sorted(self._path.glob("*/")))


def _of_system(pids: Iterable[int]) -> Iterable[Metric]:
    """Return the metrics `process_…` of several processes, told apart by their ids."""
    metrics = dict[str, Metric]()
    for pid in pids:
        for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
            seen = metrics.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            for sample in metric.samples:
                seen.add_sample(sample.name, {**sample.labels, "pid": str(pid)}, sample.value)
    return metrics.values()
