"""The settings of payloads: where they are stored, and for how many days what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from inference_site.environment import Days, Positive, ServerUrl, Whole
from models_registry.core.options import LONGEST_DAYS
from models_registry.core.struct_fields import about


@dataclass(frozen=True)
class PayloadConfig:
    """Where inputs and outputs are, and when they and their traces go."""

    claim_check_bytes: Annotated[
        Positive,
        about("Bytes of an input or output beyond which it is stored as an object, not in Postgres."),
    ] = 65_536
    payload_storage: Annotated[
        Literal["files", "s3"], about("Where these objects and uploaded files are stored.")
    ] = "files"
    payload_dir: Annotated[
        str, about("The folder for PAYLOAD_STORAGE=files, shared by all processes.", allowed="a path")
    ] = ".run/payloads"
    payload_bucket: Annotated[
        str, about("The bucket for PAYLOAD_STORAGE=s3.", allowed="a name; required with s3")
    ] = ""
    payload_endpoint_url: Annotated[ServerUrl, about("A server that speaks S3.", default="Amazon's")] = ""
    payload_region: Annotated[str, about("The region of the bucket.", allowed="a name")] = ""
    payload_addressing: Annotated[
        Literal["auto", "path", "virtual"], about("Whether a bucket's name stands in the path or the host.")
    ] = "auto"
    retention_days: Annotated[
        int,
        Meta(ge=1, le=LONGEST_DAYS),
        about("Days that inputs and results of versions without `retention_days` are kept."),
    ] = 30
    jobs_days: Annotated[
        Days, about("Days that an ended job's id, state and times are kept; its payloads go earlier.")
    ] = 365
    keys_days: Annotated[
        Days, about("Days after a job's end that its idempotency key is kept: then the key is free again.")
    ] = 30
    dead_letters_days: Annotated[
        Days, about("Days that dead letters, and the inputs of their jobs, are kept.")
    ] = 90
    deliveries_days: Annotated[
        Days, about("Days after a webhook's last attempt that its address and its answers are kept.")
    ] = 30
    attempts_days: Annotated[Days, about("Days that messages of failed attempts are kept.")] = 90
    ledger_days: Annotated[Days, about("Days that batches and workers are kept after their end.")] = 90
    events_days: Annotated[
        Whole, about("Days that events of the audit, which hold no content, are kept; 0: for ever.")
    ] = 730
    audit_export: Annotated[
        str,
        about(
            "Where the relay copies the audit and its seals; no change of the database alters the copy.",
            allowed="a path, syslog://host:port or syslog:///dev/log",
        ),
    ] = ""
