"""Objects in a bucket of S3, or of another server that speaks as S3 does."""

from __future__ import annotations

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from storages.backends.s3 import S3Storage

CONNECT_S, READ_S, ATTEMPTS = 5, 20, 3


class PayloadBucket(S3Storage):
    """A bucket that is written and read on the thread that asks, and that does not answer for ever."""

    def __init__(self, *, addressing_style: str, **options: Any) -> None:
        """Prepare to reach a bucket; nothing is asked of it yet."""
        # A request's body is read on its own thread: read on another it froze the whole web process.
        transfer = TransferConfig(use_threads=False)
        super().__init__(client_config=_client(addressing_style), transfer_config=transfer, **options)


def _client(addressing_style: str) -> Config:
    return Config(
        s3={"addressing_style": addressing_style},
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # Servers older than these checksums refuse them, and every object has its SHA-256 in a row.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
