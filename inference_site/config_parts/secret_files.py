"""Secrets in files: a variable NAME_FILE names the file with the value of the setting NAME.

So a secret is in no environment, which child processes inherit and diagnostics print.
"""

from __future__ import annotations

import os
from pathlib import Path

from inference_site.environment import Environ

ENDING = "_FILE"
SECRET_SETTINGS = (
    "DATABASE_URL", "DATABASE_DIRECT_URL", "DATABASE_OWNER_PASSWORD", "DATABASE_RUNTIME_PASSWORD",
    "DATABASE_RUNTIME_PASSWORD_B", "BROKER_URL", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "PII_KEY",
    "PAYLOAD_KEYS",
)  # fmt: skip
FLOWER_LOGIN = "FLOWER_BASIC_AUTH"  # Flower's own, which reads no file
NAMES = (*SECRET_SETTINGS, FLOWER_LOGIN)
_OTHERS = 0o077  # the rights of all users but one
# Kubernetes gives files of secrets to root and to a group of the pod's own, and only so can others be in it.
_OTHERS_OF_ROOT = 0o037


class SecretFileError(Exception):
    """A file with a secret that cannot be used; the message quotes nothing of it."""


def with_files(environ: Environ) -> tuple[dict[str, str], list[str]]:
    """Return the environment with each NAME_FILE replaced by its NAME, and a sentence for each mistake."""
    values, mistakes = dict(environ), list[str]()
    for name in NAMES:
        if path := values.pop(f"{name}{ENDING}", "").strip():
            try:
                values[name] = _secret(name, path, values)
            except SecretFileError as error:
                mistakes.append(str(error))
    return values, mistakes


def _secret(name: str, path: str, values: Environ) -> str:
    if values.get(name, "").strip():
        raise SecretFileError(f"{name} and {name}{ENDING} are both set: keep one.")
    try:
        status = Path(path).stat()
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SecretFileError(f"{name}{ENDING}: {path} cannot be read: {reason}.") from None
    by_group = status.st_uid == 0 and os.geteuid() != 0
    if status.st_mode & (_OTHERS_OF_ROOT if by_group else _OTHERS):
        raise SecretFileError(f"{name}{ENDING}: other users may read or change {path}: chmod 600.")
    return text.removesuffix("\n").removesuffix("\r")
