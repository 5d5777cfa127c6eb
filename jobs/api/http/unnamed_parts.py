"""File parts of a form wait in files without a name: whatever ends their request or process deletes them."""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler


class UnnamedPartHandler(TemporaryFileUploadHandler):
    """Django's handler for files on the disk, but no other process can open them by a name."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a part."""
        super(TemporaryFileUploadHandler, self).new_file(*args, **kwargs)
        file = TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115  # the form's reader closes it
        kind, extra = self.content_type, self.content_type_extra
        self.file: Any = UploadedFile(file, self.file_name, kind, 0, self.charset, extra)

    def upload_interrupted(self) -> None:
        """Delete what came of a part."""
        if hasattr(self, "file"):
            self.file.close()
