"""Stores objects as files in a directory that all processes of the site share, and no other user reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage

UNFINISHED = ".part"


class PayloadFiles(FileSystemStorage):
    """Django's storage of files, but a file gets its name only when it is complete and on the disk."""

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Return the folders and files of a folder; none where it is not there yet."""
        try:
            return super().listdir(path)
        except FileNotFoundError:
            return [], []

    def _save(self, name: str, content: Any) -> str:
        target = Path(self.path(name))
        _make_folder(target.parent)
        part = target.with_name(target.name + UNFINISHED)
        try:
            with open(part, "xb", opener=_for_this_user) as file:
                file.writelines(content.chunks())
                file.flush()
                os.fsync(file.fileno())
            part.rename(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync(target.parent)
        return name


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, for this user alone."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _for_this_user(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _sync(folder: Path) -> None:
    # Until its folder is on the disk too, a crash of the machine loses the file's name.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
