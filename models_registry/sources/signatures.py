"""Signatures of artifacts: a bundle of OpenSSF model signing, verified offline with a public key.

`model_signing sign key FOLDER --private_key KEY --signature FOLDER.sig` makes one.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models_registry.core.registry_errors import SignatureError

logger = logging.getLogger(__name__)


def check_signature(path: Path, bundle: bytes, signers: Sequence[str]) -> None:
    """Raise SignatureError unless the bundle is the signature, of one of these keys, of exactly these files.

    Without signers every artifact is accepted.
    """
    if not signers:
        return
    if not bundle:
        raise SignatureError("MODEL_SIGNERS is set here, so the artifact needs a signature, and has none.")
    verifying = _library()
    with tempfile.NamedTemporaryFile(suffix=".sig") as file:
        file.write(bundle)
        file.flush()
        for signer in signers:
            if not Path(signer).is_file():
                raise SignatureError(f"MODEL_SIGNERS names {Path(signer).name!r}, which is not there.")
            if _verifies(verifying, path, Path(file.name), Path(signer)):
                return
    raise SignatureError("The signature is not one of these files by a key of MODEL_SIGNERS.")


def _verifies(verifying: Any, path: Path, bundle: Path, signer: Path) -> bool:
    try:
        verifying.Config().use_elliptic_key_verifier(public_key=signer).verify(path, bundle)
    except Exception as error:  # noqa: BLE001  # it passes on what the libraries below it raise
        logger.info("a signature was not verified with %s: %s", signer.name, error)
        return False
    return True


def _library() -> Any:
    try:
        from model_signing import verifying
    except ImportError as error:
        words = f"MODEL_SIGNERS needs model-signing ({error}): pip install 'inference-platform[signing]'"
        raise SignatureError(words) from None
    return verifying
