"""A signature made with a real key is verified offline; any other file, key or bundle is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from model_signing import signing

from models_registry.core.registry_errors import SignatureError
from models_registry.sources.signatures import check_signature


def signer(folder: Path, name: str) -> str:
    """Write a pair of keys, and return the path of the public one."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / f"{name}.pub").write_bytes(public)
    return str(folder / f"{name}.pub")


def test_only_the_signed_files_with_a_listed_key_are_accepted(tmp_path: Path) -> None:
    ours, theirs = signer(tmp_path, "ours"), signer(tmp_path, "theirs")
    model = tmp_path / "m"
    model.mkdir()
    (model / "config.json").write_text("{}")
    config = signing.Config()  # type: ignore[no-untyped-call]
    config.use_elliptic_key_signer(private_key=tmp_path / "ours.key")
    config.sign(model, tmp_path / "m.sig")
    bundle = (tmp_path / "m.sig").read_bytes()
    check_signature(model, bundle, [theirs, ours])
    for wrong in (bundle[:-20], b"{}"):
        with pytest.raises(SignatureError, match="not one of these files by a key"):
            check_signature(model, wrong, [ours])
    with pytest.raises(SignatureError, match="not one of these files by a key"):
        check_signature(model, bundle, [theirs])
    (model / "more.json").write_text("{}")
    with pytest.raises(SignatureError, match="not one of these files by a key"):
        check_signature(model, bundle, [ours])


def test_without_signers_nothing_is_asked_and_with_them_a_missing_signature_is_refused(
    tmp_path: Path,
) -> None:
    check_signature(tmp_path, b"", [])
    with pytest.raises(SignatureError, match="MODEL_SIGNERS is set here, so the artifact needs a signature"):
        check_signature(tmp_path, b"", [signer(tmp_path, "ours")])
