"""Everything the environment decides, read once into one frozen object."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

Environ = Mapping[str, str]
NamedKeys = tuple[tuple[str, bytes], ...]
KEY_BYTES = 32
KEY_NAME = re.compile(r"[A-Za-z0-9._-]{1,8}")
URL = re.compile(r"https?://[^\s/?#@]+/?")
# A database host that vanishes without a word is noticed in seconds; the system's own limits are hours.
DATABASE_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


@dataclass(frozen=True)
class Config:
    """One process's configuration; `mistakes` holds a sentence for each value that could not be used."""

    database_url: str = ""
    broker_url: str = ""
    secret_key: str = field(default="", repr=False)
    payload_keys: NamedKeys = field(default=(), repr=False)
    pii_key: bytes = field(default=b"", repr=False)
    debug: bool = False
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    api_url: str = "http://127.0.0.1:8000"
    stream_url: str = "http://127.0.0.1:8001"
    trusted_proxy_hops: int = 0
    max_body_bytes: int = 1_000_000
    max_bulk_body_bytes: int = 64_000_000
    max_upload_bytes: int = 100_000_000
    body_patience_s: int = 10
    claim_check_bytes: int = 65_536
    payload_storage: str = "files"
    payload_dir: str = ".run/payloads"
    payload_bucket: str = ""
    payload_endpoint_url: str = ""
    payload_region: str = ""
    payload_addressing: str = "auto"
    result_wait_limit_s: int = 60
    events_heartbeat_s: int = 15
    queue_type: str = "classic"
    queue_depth: int = 0  # jobs a level of a broker queue; 0 for what its workers can hold
    worker_grace_s: float = 25.0
    batch_limit_s: float = 60.0
    webhook_internal_hosts: tuple[str, ...] = ()
    retention_days: int = 30
    events_days: int = 0
    model_dir: str = ""
    allow_torch_programs: bool = False
    entry_points: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = field(default=())

    @classmethod
    def from_env(cls, environ: Environ) -> Config:
        """Read `environ`; a value that cannot be used leaves its default and a sentence in `mistakes`."""
        reader = _Reader(environ)
        values = {
            "database_url": reader.text("DATABASE_URL"),
            "broker_url": reader.text("BROKER_URL"),
            "secret_key": reader.text("SECRET_KEY"),
            "payload_keys": reader.named_keys("PAYLOAD_KEYS"),
            "pii_key": reader.key("PII_KEY"),
            "debug": reader.flag("DEBUG"),
            "allowed_hosts": reader.words("ALLOWED_HOSTS", cls.allowed_hosts),
            "api_url": reader.text("API_URL", cls.api_url).rstrip("/"),
            "stream_url": reader.text("STREAM_URL", cls.stream_url).rstrip("/"),
            "trusted_proxy_hops": reader.count("TRUSTED_PROXY_HOPS"),
            "max_body_bytes": reader.whole("MAX_BODY_BYTES", cls.max_body_bytes),
            "max_bulk_body_bytes": reader.whole("MAX_BULK_BODY_BYTES", cls.max_bulk_body_bytes),
            "max_upload_bytes": reader.whole("MAX_UPLOAD_BYTES", cls.max_upload_bytes),
            "body_patience_s": reader.whole("BODY_PATIENCE_S", cls.body_patience_s),
            "claim_check_bytes": reader.whole("CLAIM_CHECK_BYTES", cls.claim_check_bytes),
            "payload_storage": reader.one_of("PAYLOAD_STORAGE", ("files", "s3")),
            "payload_dir": reader.text("PAYLOAD_DIR") or cls.payload_dir,
            "payload_bucket": reader.text("PAYLOAD_BUCKET"),
            "payload_endpoint_url": reader.url("PAYLOAD_ENDPOINT_URL"),
            "payload_region": reader.text("PAYLOAD_REGION"),
            "payload_addressing": reader.one_of("PAYLOAD_ADDRESSING", ("auto", "path", "virtual")),
            "result_wait_limit_s": reader.whole("RESULT_WAIT_LIMIT_S", cls.result_wait_limit_s),
            "events_heartbeat_s": reader.whole("EVENTS_HEARTBEAT_S", cls.events_heartbeat_s),
            "queue_type": reader.one_of("QUEUE_TYPE", ("classic", "quorum")),
            "queue_depth": reader.count("QUEUE_DEPTH"),
            "worker_grace_s": float(reader.whole("WORKER_GRACE_S", int(cls.worker_grace_s))),
            "batch_limit_s": float(reader.whole("BATCH_LIMIT_S", int(cls.batch_limit_s))),
            "webhook_internal_hosts": reader.words("WEBHOOK_INTERNAL_HOSTS", ()),
            "retention_days": reader.whole("RETENTION_DAYS", cls.retention_days, most=366),
            "events_days": reader.count("EVENTS_DAYS"),
            "model_dir": reader.text("MODEL_DIR"),
            "allow_torch_programs": reader.flag("ALLOW_TORCH_PROGRAMS"),
            "entry_points": reader.words("MODEL_ENTRY_POINTS", ()),
        }
        reader.require("DATABASE_URL", "BROKER_URL", "SECRET_KEY")
        if values["payload_storage"] == "s3":
            reader.require("PAYLOAD_BUCKET")
        return cls(**values, mistakes=tuple(reader.mistakes))  # type: ignore[arg-type]  # each reader gives its type

    @property
    def https(self) -> bool:
        """Say whether people and apps reach this site by HTTPS: its own address says so."""
        return self.api_url.startswith("https://")


class _Reader:
    """Reads typed values and collects what was wrong with them."""

    def __init__(self, environ: Environ) -> None:
        self.environ, self.mistakes = environ, list[str]()

    def text(self, name: str, default: str = "") -> str:
        return self.environ.get(name, default).strip()

    def words(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        words = tuple(word.strip() for word in self.text(name).split(",") if word.strip())
        return words or default

    def flag(self, name: str) -> bool:
        return self.one_of(name, ("0", "1", "false", "true", "")) in {"1", "true"}

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, choices[0]).lower()
        if value in choices:
            return value
        self.mistakes.append(f"{name} is {value!r}; it must be one of {', '.join(filter(None, choices))}.")
        return choices[0]

    def url(self, name: str) -> str:
        """Read the address of a server; none where it is not set."""
        value = self.text(name)
        if not value or URL.fullmatch(value):
            return value.rstrip("/")
        self.mistakes.append(f"{name} must be http:// or https:// and a host, with no user and no path.")
        return ""

    def whole(self, name: str, default: int, *, most: int | None = None) -> int:
        value = self.text(name, str(default))
        if value.isascii() and value.isdigit() and 0 < int(value) <= (most or int(value)):
            return int(value)
        limit = f" and at most {most}" if most else ""
        self.mistakes.append(f"{name} is {value!r}; it must be a whole number above zero{limit}.")
        return default

    def count(self, name: str) -> int:
        return self.whole(name, 0) if self.text(name, "0").strip("0") else 0

    def named_keys(self, name: str) -> NamedKeys:
        """Read `name:key,name2:key2`, each key 32 bytes in base64; a mistake never quotes one."""
        found: dict[str, bytes] = {}
        for number, part in enumerate(filter(None, self.text(name).split(",")), 1):
            label, _, text = part.strip().partition(":")
            key = _key(text)
            if key is None or label in found or not KEY_NAME.fullmatch(label):
                said = "its name, 1 to 8 letters, digits, dots or dashes and used once, a colon, and"
                self.mistakes.append(f"{name}: entry {number} must be {said} 32 bytes in base64.")
                return ()
            found[label] = key
        return tuple(found.items())

    def key(self, name: str) -> bytes:
        """Read one key of 32 bytes in base64; none where it is not set."""
        text = self.text(name)
        key = _key(text) if text else b""
        if key is None:
            self.mistakes.append(f"{name} must be 32 bytes in base64.")
        return key or b""

    def require(self, *names: str) -> None:
        self.mistakes.extend(f"{name} is not set." for name in names if not self.text(name))


def django_storages(config: Config) -> dict[str, dict[str, object]]:
    """Return Django's STORAGES: large inputs and outputs lie in `payloads`; a bucket's keys are AWS's own."""
    files: dict[str, object] = {
        "BACKEND": "jobs.payloads.file_storage.PayloadFiles",
        "OPTIONS": {"location": config.payload_dir},
    }
    bucket: dict[str, object] = {
        "bucket_name": config.payload_bucket,
        "endpoint_url": config.payload_endpoint_url or None,
        "region_name": config.payload_region or None,
        "addressing_style": config.payload_addressing,
        "file_overwrite": False,
    }
    s3: dict[str, object] = {"BACKEND": "jobs.payloads.s3_storage.PayloadBucket", "OPTIONS": bucket}
    return {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        "payloads": s3 if config.payload_storage == "s3" else files,
    }


def _key(text: str) -> bytes | None:
    try:
        key = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def django_database(url: str, options: Mapping[str, int]) -> dict[str, object]:
    """Return Django's DATABASES entry for a `postgresql://user:password@host:port/name` URL."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/") or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(options),
    }
