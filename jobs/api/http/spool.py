"""A body that is too long for memory, in a file without a name that only its process can read.

The bytes are encrypted with a key that never leaves memory, so that nothing of a body can be read from the
disk, not even after a crash.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader, RawIOBase
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any, BinaryIO

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from django.conf import settings

from jobs.core.errors import UnavailableError

PIECE_BYTES = 65_536


def bodies_folder() -> Path:
    """Return the folder of unfinished bodies, of mode 0700; UnavailableError where it is somebody else's."""
    own = Path(gettempdir()) / f"inference-bodies-{os.getuid()}"
    folder = Path(settings.INFERENCE.body_dir or own)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise UnavailableError("The folder of unfinished bodies belongs to somebody else.")
    if status.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


class Spool:
    """Bytes that are written to the end, and then read once from the start."""

    def __init__(self) -> None:
        """Create the file."""
        self._file: IO[bytes] = TemporaryFile(dir=bodies_folder())  # noqa: SIM115  # `close` closes it
        self._cipher = Cipher(AES256(os.urandom(32)), CTR(os.urandom(16)))
        self._encryptor = self._cipher.encryptor()

    def write(self, piece: bytes) -> None:
        """Append a piece; OSError where the disk is full."""
        self._file.write(self._encryptor.update(piece))

    def reader(self) -> BinaryIO:
        """Return the whole body as a file; nothing can be written any more."""
        self._file.flush()
        self._file.seek(0)
        return BufferedReader(_Decrypted(self._file, self._cipher.decryptor()), PIECE_BYTES)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()


class _Decrypted(RawIOBase):
    """An encrypted file as a raw file of its bytes."""

    def __init__(self, file: IO[bytes], decryptor: Any) -> None:
        self._file, self._decryptor = file, decryptor

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        piece = self._decryptor.update(self._file.read(len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)
