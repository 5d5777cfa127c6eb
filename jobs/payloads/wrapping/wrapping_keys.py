"""The wrapping keys that the settings name; the first one wraps new data keys."""

from __future__ import annotations

from typing import NamedTuple

from jobs.core.payloads.keyring import Keyring
from jobs.payloads.wrapping.vault_transit import VaultWrappingKey
from jobs.payloads.wrapping.wrapping_key import NamedWrappingKeys, WrappingKey


class WrappingSettings(NamedTuple):
    """The settings of wrapping keys; `service` is the kind that wraps, none for the named keys."""

    named: tuple[tuple[str, bytes], ...] = ()
    service: str = "none"
    kms_key: str = ""
    kms_region: str = ""
    kms_endpoint_url: str = ""
    vault_key: str = ""
    vault_url: str = ""
    vault_token_file: str = ""
    vault_ca_file: str = ""

    def __repr__(self) -> str:
        """Show no key."""
        return f"WrappingSettings({self.service})"


def wrapping_keys(given: WrappingSettings) -> list[WrappingKey]:
    """Return all keys that unwrap, and first the one that wraps, so that one may take over from another."""
    keys: list[WrappingKey] = [NamedWrappingKeys(Keyring(dict(given.named)))] if given.named else []
    if given.kms_key:
        # Imported late: boto3 is an extra.
        from jobs.payloads.wrapping.kms import KmsWrappingKey

        keys.append(
            KmsWrappingKey(given.kms_key, region=given.kms_region, endpoint_url=given.kms_endpoint_url)
        )
    if given.vault_url:
        keys.append(
            VaultWrappingKey(
                given.vault_key,
                url=given.vault_url,
                token_file=given.vault_token_file,
                ca_file=given.vault_ca_file,
            )
        )
    first = {"none": "aesgcm:", "kms": "kms:", "vault": "vault:"}[given.service]
    return sorted(keys, key=lambda key: key.kind != first)
