"""A site with one key, and a storage of payloads of each test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from jobs.payloads.file_storage import PayloadFiles
    from jobs.services.access.owner import forget_owners
    from tests.support import payload_keys

    payload_keys.use(monkeypatch, payload_keys.OLD, webhook_internal_hosts=("127.0.0.1",))
    forget_owners()
    monkeypatch.setattr("jobs.payloads.object_store.storage", lambda: PayloadFiles(location=tmp_path))
    return tmp_path
