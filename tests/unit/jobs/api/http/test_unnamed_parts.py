"""Parts of a form have no name on the disk, and are gone however their request ends."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.http.multipartparser import MultiPartParser
from django.test import override_settings

from jobs.api.http.unnamed_parts import UnnamedPartHandler

BODY = (
    b'--b\r\nContent-Disposition: form-data; name="note"; filename="n.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nopen-sesame\r\n--b--\r\n"
)


def parsed(body: Any, length: int) -> Any:
    headers = {"CONTENT_TYPE": "multipart/form-data; boundary=b", "CONTENT_LENGTH": str(length)}
    return MultiPartParser(headers, body, [UnnamedPartHandler()], "latin-1").parse()[1]["note"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    with override_settings(FILE_UPLOAD_TEMP_DIR=str(tmp_path)):
        yield tmp_path


def test_a_part_is_read_and_no_name_leads_to_it(folder: Path) -> None:
    part = parsed(BytesIO(BODY), len(BODY))
    assert (part.read(), part.size, part.content_type) == (b"open-sesame", 11, "text/plain")
    assert list(folder.iterdir()) == []
    part.close()


def test_a_form_that_breaks_off_leaves_nothing(folder: Path) -> None:
    class Breaks(BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            if self.tell() >= 100:
                raise ConnectionError
            return super().read(50)

    with pytest.raises(ConnectionError):
        parsed(Breaks(BODY), len(BODY))
    assert list(folder.iterdir()) == []
