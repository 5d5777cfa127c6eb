"""A watched version. Read before Django is up, so that rows are imported late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from models_registry.core.version import VersionInfo


@pytest.fixture
def echo(db: str) -> VersionInfo:
    from tests.support.drift import watched

    return watched()
