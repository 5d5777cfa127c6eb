"""Long bodies lie in files that nobody else can read, encrypted and without a name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from jobs.api.http.spool import Spool, bodies_folder
from jobs.core.errors import UnavailableError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bodies"
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, body_dir=str(path)))
    return path


def test_what_was_written_is_read(folder: Path) -> None:
    spool, pieces = Spool(), [os.urandom(100_000), b"", b"end"]
    for piece in pieces:
        spool.write(piece)
    assert spool.reader().read() == b"".join(pieces)
    spool.close()


def test_the_file_has_no_name_no_clear_text_and_no_other_reader(folder: Path) -> None:
    spool = Spool()
    spool.write(b"personal data " * 10_000)
    with spool.reader():
        number = spool._file.fileno()
        assert [*folder.iterdir()] == []
        assert os.fstat(number).st_mode & 0o777 == 0o600
        on_disk = os.pread(number, 200_000, 0)
    assert (len(on_disk), b"personal" in on_disk) == (140_000, False)
    spool.close()


def test_the_folder_is_private_even_where_it_was_not(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    assert bodies_folder().stat().st_mode & 0o777 == 0o700


def test_a_link_to_another_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.symlink_to(tmp_path)
    with pytest.raises(UnavailableError):
        bodies_folder()
