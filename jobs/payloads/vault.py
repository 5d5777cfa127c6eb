"""The vault: data keys and keyed digests with this process's keys; no other module reads the keys.

It stands directly above the core, because submits, reads, the worker and the admin all need it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.conf import settings

from jobs.core.payloads import keyed_digest
from jobs.payloads.data_keys import DataKeyRows, DataKeys
from jobs.payloads.wrapping.wrapping_keys import WrappingSettings, wrapping_keys

_rows: DataKeyRows | None = None


def use_rows(rows: DataKeyRows) -> None:
    """Keep data keys in these rows, because this package knows no database."""
    global _rows  # noqa: PLW0603  # the vault of a process has one database
    _rows = rows


def data_keys() -> DataKeys:
    """Return the clients' data keys."""
    assert _rows is not None  # noqa: S101  # set when Django is ready
    return data_keys_in(_rows)


def data_keys_in(rows: DataKeyRows) -> DataKeys:
    """Return the data keys of these rows, as this process's wrapping keys open them."""
    config = settings.INFERENCE
    given = WrappingSettings(
        config.payload_keys,
        config.payload_key_service,
        config.payload_kms_key,
        config.payload_kms_region,
        config.payload_kms_endpoint_url,
        config.payload_vault_key,
        config.payload_vault_url,
        config.payload_vault_token_file,
        config.payload_vault_ca_file,
    )
    return _data_keys(rows, given)


def forget() -> None:
    """Forget all data keys, so that their rows are read again."""
    _data_keys.cache_clear()


def digest(purpose: str, body: bytes) -> bytes:
    """Return a keyed digest of 32 bytes, which differs for each purpose."""
    return keyed_digest.keyed(_key(purpose), body)


def short_digester(purpose: str) -> Callable[[bytes], bytes]:
    """Return what computes keyed digests of eight bytes for one purpose, for many values."""
    return keyed_digest.short_digester(_key(purpose))


def token(value: Any) -> str:
    """Return the token that replaces a JSON value where people may see it."""
    return keyed_digest.token_of(_key("token"), value)


def parameters_digest(parameters: bytes | None) -> int:
    """Return a keyed digest of 28 bits, which reveals only whether parameters are equal."""
    return keyed_digest.parameters_digest_of(_key("variant"), parameters)


def _key(purpose: str) -> bytes:
    config = settings.INFERENCE
    # Django refuses an empty SECRET_KEY at its first use: no token is made of a key that everybody knows.
    return _derived(config.pii_key or (config.secret_key or settings.SECRET_KEY).encode(), purpose)


@lru_cache(maxsize=64)
def _derived(root: bytes, purpose: str) -> bytes:
    return keyed_digest.derived(root, purpose)


@lru_cache(maxsize=8)
def _data_keys(rows: DataKeyRows, given: WrappingSettings) -> DataKeys:
    return DataKeys(rows, wrapping_keys(given))
