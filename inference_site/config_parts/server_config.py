"""The settings of Postgres, RabbitMQ and the site's keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from inference_site.environment import BrokerUrl, Key, PostgresUrl, Whole, Words
from models_registry.core.struct_fields import about


@dataclass(frozen=True)
class ServerConfig:
    """The servers that a process uses, and the keys that sign and name."""

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
            "The password that `database_roles` gives to inference_runtime_a, one of the two logins of all "
            "other processes; without one it cannot log in.",
            allowed="a text",
        ),
    ] = field(default="", repr=False)
    database_runtime_password_b: Annotated[
        str,
        about("The same for inference_runtime_b, the other login.", allowed="a text"),
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
    secret_key_fallbacks: Annotated[
        Words,
        about(
            "Values that SECRET_KEY had: what they signed or encrypted is still read, until "
            "`manage.py rotate_secret_key` has run.",
            allowed="texts without commas, with commas between",
        ),
    ] = field(default=(), repr=False)
    pii_key: Annotated[
        Key,
        about(
            "Makes the tokens that replace personal data.",
            allowed="32 bytes in base64",
            default="SECRET_KEY",
        ),
    ] = field(default=b"", repr=False)
    queue_type: Annotated[
        Literal["classic", "quorum"], about("The type of RabbitMQ's queues; quorum for a cluster.")
    ] = "classic"
    queue_depth: Annotated[
        Whole, about("Jobs that the relay puts into a queue at most; 0: as many as its workers can hold.")
    ] = 0

    @property
    def site_keys(self) -> tuple[str, ...]:
        """Return SECRET_KEY, which signs and encrypts, and behind it those that only read."""
        return tuple(filter(None, (self.secret_key, *self.secret_key_fallbacks)))
