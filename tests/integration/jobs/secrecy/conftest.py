"""A site with one key. Read before Django is up, so that rows are imported late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client as Browser

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def site(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support import payload_keys

    payload_keys.use(monkeypatch, payload_keys.OLD)
    payload_keys.secret_version()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage of payloads of this test alone."""
    from jobs.payloads.file_storage import PayloadFiles

    monkeypatch.setattr("jobs.payloads.object_store.storage", lambda: PayloadFiles(location=tmp_path))
    return tmp_path


@pytest.fixture(params=["plain", "sealed"])
def version(request: pytest.FixtureRequest, site: None) -> str:
    """A version with marks, that encrypts or does not."""
    from tests.support import payload_keys, personal_data

    name = str(request.param)
    payload_keys.secret_version(
        name, input_schema=personal_data.SCHEMA, output_schema={}, options=personal_data.VERSIONS[name]
    )
    return name


@pytest.fixture
def browser(site: None) -> Browser:
    """Return the browser of a superuser."""
    from tests.support.admin import browser_of

    return browser_of()
