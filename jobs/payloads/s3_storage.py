"""Stores objects in a bucket of S3, or of another server with the protocol of S3."""

from __future__ import annotations

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from storages.backends.s3 import S3Storage

CONNECT_S, READ_S, ATTEMPTS = 5, 20, 3


class PayloadBucket(S3Storage):
    """A bucket that is accessed on the caller's thread and with timeouts."""

    def __init__(self, *, addressing_style: str, **options: Any) -> None:
        """Prepare the access to a bucket, without a call."""
        # A request's body must be read on its own thread: on another one it blocked the whole web process.
        transfer = TransferConfig(use_threads=False)
        super().__init__(client_config=_client(addressing_style), transfer_config=transfer, **options)


def _client(addressing_style: str) -> Config:
    return Config(
        s3={"addressing_style": addressing_style},
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # Older servers refuse these checksums, and the SHA-256 of each object stands in a row.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
