"""What this process has counted since a test began."""

from __future__ import annotations

from prometheus_client import REGISTRY

Key = tuple[str, tuple[tuple[str, str], ...]]


class Samples:
    """The samples of the registry, as they were when this was made."""

    def __init__(self) -> None:
        samples = (sample for family in REGISTRY.collect() for sample in family.samples)
        self._before = {_key(sample.name, sample.labels): sample.value for sample in samples}

    def __call__(self, name: str, **labels: str) -> float:
        """Return by how much a sample has grown."""
        now = REGISTRY.get_sample_value(name, labels) or 0.0
        return now - self._before.get(_key(name, labels), 0.0)


def _key(name: str, labels: dict[str, str]) -> Key:
    return name, tuple(sorted(labels.items()))
