"""What the workers' pools note about their loads, and what the next worker of a name makes of it."""

from __future__ import annotations

import pytest

from models_registry.models import LoadState, ModelVersion, RegisteredModel, VersionLoad
from models_registry.services import begin_loads
from models_registry.services.load_rows import note_load_failure, note_loading, note_ready

NODE = "gpu-0@here"


@pytest.fixture
def version(db: str) -> int:
    model = RegisteredModel.objects.create(name="echo")
    return ModelVersion.objects.create(model=model, version="1", loader="entry_point", artifact="a:b").pk


def test_a_version_whose_load_ends_the_worker_twice_is_left_alone(version: int) -> None:
    note_loading(node=NODE, version=version)
    assert begin_loads(node=NODE) == {}  # once may be chance
    note_loading(node=NODE, version=version)
    ((rest_s, reason),) = begin_loads(node=NODE).values()
    assert 50 < rest_s <= 60
    assert "ended while it loaded this version, 2 tries in a row" in reason
    row = VersionLoad.objects.get()
    assert (row.state, row.reason) == (LoadState.FAILED, reason)
    note_loading(node=NODE, version=version)
    assert begin_loads(node=NODE)[version][0] > 100


def test_a_load_that_went_well_in_between_counts_anew(version: int) -> None:
    for _ in range(2):
        note_loading(node=NODE, version=version)
        note_ready(node=NODE, version=version, memory_bytes=1, load_s=1.0)
        assert begin_loads(node=NODE) == {}
        note_loading(node=NODE, version=version)
        assert begin_loads(node=NODE) == {}


def test_another_failure_is_forgotten(version: int) -> None:
    note_load_failure(node=NODE, version=version, reason="no file")
    assert begin_loads(node=NODE) == {}
    assert not VersionLoad.objects.exists()
