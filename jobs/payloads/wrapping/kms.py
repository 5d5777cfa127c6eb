"""AWS KMS as the wrapping key: it never leaves the service, which logs each use. Needs the extra `kms`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobs.core.errors import PayloadKeyMissingError, PayloadUnavailableError, PayloadUnreadableError
from jobs.core.payloads.job_keys import DataKeyName
from jobs.payloads.wrapping.wrapping_key import WrappedDataKey

CONNECT_S, READ_S, ATTEMPTS = 2, 3, 2
_FORGED = {"InvalidCiphertextException", "IncorrectKeyException"}
_REFUSED = {"AccessDeniedException", "NotFoundException", "DisabledException", "KMSInvalidStateException"}


class KmsWrappingKey:
    """A key of AWS KMS, by its id, ARN or alias; credentials are found as boto3 finds them."""

    kind = "kms:"

    def __init__(self, key: str, *, region: str, endpoint_url: str) -> None:
        """Prepare, without a call."""
        self._key, self.name = key, f"{self.kind}{key}"
        limits = Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        self._client: Any = boto3.client(
            "kms", region_name=region or None, endpoint_url=endpoint_url or None, config=limits
        )

    def wrap(self, key: bytes, place: DataKeyName) -> bytes:
        """Return `key` wrapped by the service for its place."""
        with _translated():
            answer = self._client.encrypt(KeyId=self._key, Plaintext=key, EncryptionContext=_context(place))
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, row: WrappedDataKey, place: DataKeyName) -> bytes:
        """Return a key that the service wrapped, under this key or an earlier one of the account."""
        key = row.wrapped_by.removeprefix(self.kind)
        with _translated():
            answer = self._client.decrypt(
                KeyId=key, CiphertextBlob=row.wrapped, EncryptionContext=_context(place)
            )
        return bytes(answer["Plaintext"])


def _context(place: DataKeyName) -> dict[str, str]:
    return {"use": "inference-data-key", "client": str(place.client), "month": str(place.month)}


@contextmanager
def _translated() -> Iterator[None]:
    """Translate what boto3 raises."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _FORGED:
            raise PayloadUnreadableError("The data key is not what AWS KMS wrapped here.") from None
        if code in _REFUSED:
            raise PayloadKeyMissingError(f"AWS KMS refuses the wrapping key: {code}.") from None
        raise PayloadUnavailableError(f"AWS KMS does not unwrap keys now: {code}.") from None
    except BotoCoreError as error:
        raise PayloadUnavailableError(f"AWS KMS does not respond: {type(error).__name__}.") from None
