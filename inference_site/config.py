"""Everything that the environment decides, read once into one frozen object.

Each setting is declared here once: type, bounds, default and description. msgspec checks the values, as it
checks a version's options. This is not pydantic-settings, because that makes no object of an environment with
a wrong value, but Django's system checks need one to list all mistakes; it suggests no names; and its import
takes 55 ms in every process, while this module takes 11 with all that it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from msgspec import Meta

from inference_site.environment import (
    BrokerUrl,
    Environ,
    Key,
    PageUrl,
    PostgresUrl,
    ServerUrl,
    SettingRow,
    SiteUrl,
    Words,
    read,
    rows,
)
from inference_site.key_config import NEEDED_BY_SERVICE, KeyConfig
from inference_site.process_needs import BROKER, DATABASE, SITE_KEY, Needs
from models_registry.core.options import LONGEST_DAYS
from models_registry.core.struct_fields import about

Whole = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Threads = Annotated[int, Meta(ge=1, le=1_000)]
ALL = Needs((DATABASE, BROKER, SITE_KEY))
Days = Annotated[int, Meta(ge=1, le=36_500)]


@dataclass(frozen=True)
class Config(KeyConfig):
    """The configuration of a process; `mistakes` holds a sentence for each value that could not be used."""

    database_url: Annotated[
        PostgresUrl,
        about(
            "Postgres: postgresql://user:password@host:port/name. Several hosts, and all of libpq's "
            "parameters such as ?sslmode=verify-full&sslrootcert=…, count on every connection.",
            allowed="a URL; required",
        ),
    ] = field(default="", repr=False)
    database_direct_url: Annotated[
        PostgresUrl,
        about(
            "Postgres without the pooler, for the few sessions that listen; needed where DATABASE_URL leads "
            "through one in transaction mode, and says that it does.",
            allowed="a URL",
        ),
    ] = field(default="", repr=False)
    database_prepare: Annotated[
        Literal["auto", "on", "off"],
        about(
            "Whether statements are prepared on the server; auto: unless DATABASE_DIRECT_URL is set. "
            "A pooler that keeps prepared statements (pgbouncer 1.21) takes on."
        ),
    ] = "auto"
    database_schema: Annotated[
        str,
        Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"),
        about("The schema of the tables; `search_path` is set to it.", allowed="a name"),
    ] = "public"
    database_owner_password: Annotated[
        str,
        about(
            "The password that `database_roles` gives to inference_owner, which migrates.", allowed="a text"
        ),
    ] = field(default="", repr=False)
    database_runtime_password: Annotated[
        str,
        about(
            "The password that `database_roles` gives to inference_runtime, as which all processes log in.",
            allowed="a text",
        ),
    ] = field(default="", repr=False)
    broker_url: Annotated[
        BrokerUrl,
        about(
            "RabbitMQ: amqp://user:password@host:port//, or amqps://; a cluster's nodes with semicolons.",
            allowed="a URL; required",
        ),
    ] = field(default="", repr=False)
    broker_ca_file: Annotated[
        str,
        about(
            "The CA that signed the broker's certificate, for amqps.",
            allowed="a path",
            default="the system's CAs",
        ),
    ] = ""
    broker_cert_file: Annotated[
        str, about("A certificate that the broker asks for, for amqps.", allowed="a path")
    ] = ""
    broker_key_file: Annotated[
        str, about("The key of BROKER_CERT_FILE, unless that file has it.", allowed="a path")
    ] = ""
    rabbitmq_management_url: Annotated[
        str,
        about(
            "RabbitMQ's management API: Flower reads queues there, with the login of its BROKER_URL.",
            allowed="a URL",
        ),
    ] = field(default="", repr=False)
    secret_key: Annotated[
        str,
        about(
            "Signs the admin's sessions, encrypts webhook secrets, and makes tokens if PII_KEY is not set.",
            allowed="a random text of 50 characters or more; beat and Flower need none",
        ),
    ] = field(default="", repr=False)
    pii_key: Annotated[
        Key,
        about(
            "Makes the tokens that replace personal data.",
            allowed="32 bytes in base64",
            default="SECRET_KEY",
        ),
    ] = field(default=b"", repr=False)
    debug: Annotated[bool, about("Django's debug mode; never in production.")] = False
    allowed_hosts: Annotated[
        Words, about("Host names that requests may be for.", allowed="names with commas between")
    ] = ("127.0.0.1", "localhost")
    api_url: Annotated[
        SiteUrl,
        about("The address of `web` for clients; https makes the admin refuse http.", allowed="a URL"),
    ] = "http://127.0.0.1:8000"
    stream_url: Annotated[
        SiteUrl, about("The address of `stream` for clients: waiting calls go there.", allowed="a URL")
    ] = "http://127.0.0.1:8001"
    flower_url: Annotated[PageUrl, about("The address of Flower for people: the admin links there.")] = ""
    admin_two_factor: Annotated[
        bool, about("Ask everybody at the admin for a second factor, which `manage.py two_factor` makes.")
    ] = False
    client_requests_per_s: Annotated[
        Whole, about("Jobs a second of a client that `create_token` creates; 0: no limit.")
    ] = 1_000
    client_bytes_per_s: Annotated[
        Whole, about("Bytes of input a second of a client that `create_token` creates; 0: no limit.")
    ] = 100_000_000
    client_most_in_flight: Annotated[
        Whole, about("Jobs that wait or run of a client that `create_token` creates; 0: no limit.")
    ] = 50_000
    trusted_proxy_hops: Annotated[
        Whole, about("Proxies in front whose X-Forwarded-For and X-Forwarded-Proto are believed.")
    ] = 0
    web_workers: Annotated[Threads, about("Processes of `web` in the stack of `make up`.")] = 2
    web_threads: Annotated[Threads, about("Threads of each `web` process for short calls.")] = 8
    web_long_threads: Annotated[
        Threads, about("Threads of each `web` process for bulk calls, streams, erasures, long bodies.")
    ] = 4
    cpu_worker_threads: Annotated[
        Threads,
        about("Threads of the CPU worker, for ordinary tasks; none waits for a receiver of webhooks."),
    ] = 16
    max_body_bytes: Annotated[Positive, about("Bytes of a request's body, at most.")] = 1_000_000
    max_bulk_body_bytes: Annotated[Positive, about("Bytes of a bulk call's body, at most.")] = 64_000_000
    max_upload_bytes: Annotated[Positive, about("Bytes of an uploaded file, at most.")] = 100_000_000
    max_resolved_bytes: Annotated[
        int,
        Meta(ge=1, le=2**31 - 1),
        about("Bytes of an input with its files in their places, each as often as the input refers to it."),
    ] = 150_000_000
    batch_input_bytes: Annotated[
        Positive, about("Bytes of memory for the inputs of one batch; a larger input runs alone.")
    ] = 256_000_000
    body_patience_s: Annotated[
        Positive, about("Seconds that a client has to send a body, beside the time for its size.")
    ] = 10
    open_bodies: Annotated[
        Positive, about("Bodies that arrive at once at each `web` process; a client's are a quarter at most.")
    ] = 1_024
    open_body_bytes: Annotated[
        Positive,
        about("Bytes of bodies that each `web` process holds; a client's are a quarter at most."),
    ] = 1_000_000_000
    sending_bytes: Annotated[
        Positive,
        about("Bytes of large results that a process sends at once; a client's are half of them at most."),
    ] = 50_000_000
    body_dir: Annotated[
        str,
        about(
            "The folder of long bodies, encrypted, until their calls are answered.",
            allowed="a path",
            default="one of this user in the system's folder for temporary files",
        ),
    ] = ""
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
    result_wait_limit_s: Annotated[
        Positive,
        about("Seconds that a call waits for a result, at most; below the limit of proxies, often 60."),
    ] = 55
    events_heartbeat_s: Annotated[Positive, about("Seconds between heartbeats of an event stream.")] = 15
    waits_per_client: Annotated[
        Positive, about("Calls of one client that wait at once at each process of `web` and `stream`.")
    ] = 1_000
    streams_per_client: Annotated[
        Positive,
        about(
            "Event streams of one client at once at each process of `web` and `stream`; of submits, as many."
        ),
    ] = 1_000
    queue_type: Annotated[
        Literal["classic", "quorum"], about("The type of RabbitMQ's queues; quorum for a cluster.")
    ] = "classic"
    queue_depth: Annotated[
        Whole, about("Jobs that the relay puts into a queue at most; 0: as many as its workers can hold.")
    ] = 0
    worker_grace_s: Annotated[Seconds, about("Seconds that a stopping worker has to finish its batches.")] = (
        25.0
    )
    batch_limit_s: Annotated[
        Seconds, about("Seconds that a batch may take before its worker is ended and started again.")
    ] = 60.0
    load_limit_s: Annotated[
        Positive,
        about(
            "Seconds that loading a version may take, warm-up included. A load that takes longer has failed,"
            " and its worker ends once its batches have, and is started again."
        ),
    ] = 600
    keep_warm_s: Annotated[
        Seconds,
        about("Seconds that a worker prefers to keep a version in memory after an alias has left it."),
    ] = 3_600.0
    webhook_internal_hosts: Annotated[
        Words,
        about(
            "Private hosts that webhooks may be sent to, beside all public ones.", allowed="names with commas"
        ),
    ] = ()
    webhook_ca_file: Annotated[
        str,
        about(
            "Certificates of authorities that sign receivers of webhooks, trusted beside the public ones.",
            allowed="the path of a PEM file",
        ),
    ] = ""
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
    model_dir: Annotated[str, about("The folder that relative artifacts are in.", allowed="a path")] = ""
    envs_dir: Annotated[
        str, about("The folder of environments that `manage.py make_env` makes.", allowed="a path")
    ] = ".run/envs"
    artifact_cache_dir: Annotated[
        str, about("The folder of this host for copies of stored artifacts.", allowed="a path")
    ] = ".run/artifacts"
    artifact_cache_mb: Annotated[
        Positive, about("MiB that these copies take, and the largest artifact that is taken into the store.")
    ] = 20_480
    model_signers: Annotated[
        Words,
        about("Files of public keys; an artifact needs the signature of one.", allowed="paths, with commas"),
    ] = ()
    model_sources: Annotated[
        Words,
        about(
            "Prefixes of sources that clients may register models from.",
            allowed="s3://bucket/, hf:org/ or mlflow:models/, with commas",
        ),
    ] = ()
    model_entry_points: Annotated[
        Words,
        about("Python callables that may be loaded as models.", allowed="package.module:name, with commas"),
    ] = ()
    model_folders: Annotated[
        Words,
        about(
            "Models whose folders of Python code may be loaded, by name or by the files' SHA-256; *: all.",
            allowed="names or hashes, with commas",
        ),
    ] = ()
    allow_torch_programs: Annotated[
        bool, about("Load TorchScript and torch.export programs, which can run any code.")
    ] = False
    metrics_port: Annotated[
        int, Meta(ge=0, le=65_535), about("The port of a process's /metrics; 0: not served.")
    ] = 0
    metrics_host: Annotated[str, about("The address that /metrics is served on.", allowed="an address")] = (
        "127.0.0.1"
    )
    metrics_on_api: Annotated[
        bool, about("Serve /metrics on the API's port too, without a token, although it names clients.")
    ] = False
    log_format: Annotated[
        Literal["text", "json"], about("Whether a line of a log is for people, or JSON with known fields.")
    ] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        about("The least level that is logged; each call of the API is logged at info."),
    ] = "info"
    process_name: Annotated[
        str, about("The name of a process in its log.", allowed="a text", default="its kind, such as relay")
    ] = ""
    trace_caller_per_s: Annotated[
        Whole,
        about("Calls a second of a client that are traced because their caller says so, at each process."),
    ] = 10
    trace_url: Annotated[
        str,
        Meta(pattern=r"^(https?://\S*\{trace_id\}\S*)?$"),
        about(
            "Where a trace is shown, with {trace_id} in it: a job's page in the admin links there.",
            allowed="a URL such as https://jaeger.example/trace/{trace_id}",
        ),
    ] = ""
    health_dir: Annotated[
        str,
        about(
            "The folder in which workers and beat leave marks of their work, for `manage.py health`.",
            allowed="a path",
            default="one of this user in the system's folder for temporary files",
        ),
    ] = ""
    prometheus_multiproc_dir: Annotated[
        str, about("A folder in which the processes of a host count together.", allowed="a path")
    ] = ""
    stack_json: Annotated[
        str,
        about(
            "The file that describes the running stack, for `demo`.",
            allowed="a path",
            default=".run/stack.json",
        ),
    ] = ""
    mistakes: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Environ, needs: Needs = ALL) -> Config:
        """Read `environ`; a value that cannot be used leaves its default and a sentence in `mistakes`.

        So does each secret that the process must have and that is not set.
        """
        values, mistakes = read(cls, environ)
        config, missing = cls(**values), needs.missing(environ)
        keys, unread = config.keys_of_file()
        needed = ["payload_bucket"] if config.payload_storage == "s3" else []
        needed += NEEDED_BY_SERVICE[config.payload_key_service]
        missing += [
            f"{name.upper()} is not set." for name in needed if not environ.get(name.upper(), "").strip()
        ]
        return replace(config, payload_keys=keys, mistakes=(*mistakes, *unread, *missing))

    @property
    def https(self) -> bool:
        """Return whether clients reach this site by https, which its own address decides."""
        return self.api_url.startswith("https://")


def setting_rows() -> list[SettingRow]:
    """Return (name, default, description) of each setting, for documentation."""
    return rows(Config)
