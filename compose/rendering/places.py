"""Where everything is: hosts, ports and paths, by default those of the containers; `.env` may name others.

So the same templates serve containers and, with 127.0.0.1 and free ports, one machine without containers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from rendering.env_file import EnvFileError, whole
from rendering.logins import NODES

JOBS = {
    "WEB": "web", "STREAM": "stream", "REGISTRAR": "registrar", "RELAY": "relay", "GPU_WORKER": "gpu-worker",
    "CPU_WORKER": "cpu-worker", "BEAT": "beat", "FLOWER": "flower", "AUTOSCALE": "autoscale",
}  # fmt: skip
PROXY_SLACK_S = 20  # how much longer than the longest call the proxy waits
REGISTER_S = 900  # a registration may fetch for ten minutes, load for two, and store what it fetched
WORKER_GRACE_S, WORKER_STOP_GRACE = "25", "40s"  # the defaults of the settings and of compose.yaml
AFTER_GRACE_S = 10  # for what follows a worker's grace, and the container's own end
MULTIPART_BYTES = 1_048_576  # what a form adds to its file

DEFAULTS = {
    "PLACE": "/rendered",  # where processes find what this program writes
    "SECRETS_AT": "/run/secrets",
    "POSTGRES_HOST": "postgres", "POSTGRES_PORT": "5432", "POSTGRES_LISTEN": "*",
    "REPLICA_HOST": "postgres-replica", "REPLICA_PORT": "5432",
    "POSTGRES_SOCKETS": "/var/run/postgresql", "WAL_ARCHIVE": "/wal-archive",
    "POSTGRES_SHARED_BUFFERS": "1GB", "POSTGRES_MAX_CONNECTIONS": "300", "POSTGRES_SYNCHRONOUS": "",
    "RABBITMQ_LISTEN": "0.0.0.0",  # noqa: S104  # inside a container
    "RABBITMQ_MEMORY": "0.6", "RABBITMQ_DISK_FREE": "2GB",
    "RABBITMQ_DEFINITIONS": "{PLACE}/rabbitmq/definitions.json",
    **{
        f"RABBITMQ_{n}_{key}": value
        for n in NODES
        for key, value in {
            "HOST": f"rabbitmq-{n}", "PORT": "5671", "MANAGEMENT_PORT": "15671", "METRICS_PORT": "15692",
            "NODE": f"rabbit@rabbitmq-{n}",
        }.items()
    },
    "WEB_SERVER": "web:8000", "STREAM_SERVER": "stream:8001", "FLOWER_SERVER": "flower:5555",
    "REGISTRAR_SERVER": "registrar:8002",
    "PROXY_LISTEN": "0.0.0.0",  # noqa: S104  # inside a container
    "PROXY_HTTP_PORT": "8080", "PROXY_API_PORT": "8443", "PROXY_STREAM_PORT": "8443",
    "PROXY_ADMIN_PORT": "8444", "PROXY_FLOWER_PORT": "8445", "PROXY_STATUS_PORT": "8081",
    "PROXY_TMP": "/tmp", "PROXY_LOG": "/dev/stdout", "PROXY_ERROR_LOG": "stderr",  # noqa: S108  # a tmpfs of the container
    "PROXY_CALLS_OF_ADDRESS": "2000",
    "PROXY_RESOLVER": "127.0.0.11", "PROXY_WORKERS": "auto",
    "MAX_BULK_BODY_BYTES": "64000000", "MAX_UPLOAD_BYTES": "100000000", "RESULT_WAIT_LIMIT_S": "55",
    "PROMETHEUS_RULES": "/etc/prometheus/rules", "ALERTMANAGER": "alertmanager:9093",
    "PROMETHEUS_SELF": "localhost:9090", "METRICS_NODE": "node-exporter:9100",
    "METRICS_PORT_OF_ALL": "9100", "AUTOSCALE_MAX": "1",
    **{f"METRICS_{job}": "" for job in JOBS},  # addresses with commas; by default all of its containers
    "COLLECTOR_LISTEN": "0.0.0.0:4318",
    "METRICS_COLLECTOR": "collector:8888", "TRACE_BACKEND": "",
}  # fmt: skip

# Some of the files would take it for the end of the value.
_UNFIT = re.compile(r"""["'{};\\\x00-\x1f]""")


def places(values: Mapping[str, str]) -> dict[str, str]:
    """Return every variable of the templates; EnvFileError."""
    known = {**DEFAULTS, **{name: value for name, value in values.items() if name in DEFAULTS and value}}
    known = {name: value.replace("{PLACE}", known["PLACE"]) for name, value in known.items()}
    for name, value in known.items():
        if _UNFIT.search(value):
            raise EnvFileError(
                f"{name} has a quote, a brace, a semicolon or a backslash: no file can hold it"
            )
    return {**known, **_of_proxy(known, values), **_of_prometheus(known), **_of_cluster(known)}


def check_grace(values: Mapping[str, str]) -> None:
    """Raise EnvFileError where a container would be killed before its worker's grace is over."""
    grace = values.get("WORKER_GRACE_S") or WORKER_GRACE_S
    stop = (values.get("WORKER_STOP_GRACE") or WORKER_STOP_GRACE).removesuffix("s")
    try:
        enough = float(stop) >= float(grace) + AFTER_GRACE_S
    except ValueError:
        raise EnvFileError("WORKER_GRACE_S must be seconds (25), WORKER_STOP_GRACE as well (40s)") from None
    if not enough:
        raise EnvFileError(
            f"WORKER_STOP_GRACE must be {AFTER_GRACE_S} s longer than WORKER_GRACE_S ({grace})"
        )


def hosts(values: Mapping[str, str], known: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the host names in each server's certificate."""
    of_nodes = {
        f"rabbitmq-{n}": [known[f"RABBITMQ_{n}_HOST"], known[f"RABBITMQ_{n}_NODE"].partition("@")[2]]
        for n in NODES
    }
    return {
        "proxy": _unique(
            [known["API_NAME"], known["STREAM_NAME"], *_words(values.get("PROXY_NAMES", "")), "localhost"]
        ),
        "postgres": _unique([known["POSTGRES_HOST"], "localhost"]),
        "postgres-replica": _unique([known["REPLICA_HOST"], "localhost"]),
        **{name: _unique([*names, "localhost"]) for name, names in of_nodes.items()},
    }


def _of_proxy(known: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    body = max(whole(known, "MAX_BULK_BODY_BYTES"), whole(known, "MAX_UPLOAD_BYTES")) + MULTIPART_BYTES
    return {
        "API_NAME": _name(values, "API_URL"),
        "STREAM_NAME": _name(values, "STREAM_URL"),
        "PROXY_BODY_BYTES": str(body),
        "PROXY_READ_S": str(whole(known, "RESULT_WAIT_LIMIT_S") + PROXY_SLACK_S),
        "PROXY_REGISTER_S": str(REGISTER_S),
    }


def _of_prometheus(known: Mapping[str, str]) -> dict[str, str]:
    nodes = ", ".join(f'"{known[f"RABBITMQ_{n}_HOST"]}:{known[f"RABBITMQ_{n}_METRICS_PORT"]}"' for n in NODES)
    first = whole(known, "METRICS_PORT_OF_ALL") + 1
    scaled = ", ".join(
        _found("autoscale", port) for port in range(first, first + whole(known, "AUTOSCALE_MAX"))
    )
    return {
        **{f"TARGETS_{job}": _targets(job, known) for job in JOBS},
        "TARGETS_AUTOSCALED_WORKER": f"dns_sd_configs: [{scaled}]",
        "TARGETS_RABBITMQ": f"[{nodes}]",
    }


def _targets(job: str, known: Mapping[str, str]) -> str:
    if addresses := _words(known[f"METRICS_{job}"]):
        listed = ", ".join(f'"{address}"' for address in addresses)
        return f"static_configs: [{{targets: [{listed}]}}]"
    return f"dns_sd_configs: [{_found(JOBS[job], whole(known, 'METRICS_PORT_OF_ALL'))}]"


def _found(name: str, port: int) -> str:
    """Return how Prometheus finds all containers of a service, by its name in the network."""
    return f"{{names: [{name}], type: A, port: {port}, refresh_interval: 10s}}"


def _of_cluster(known: Mapping[str, str]) -> dict[str, str]:
    lines = [f"cluster_formation.classic_config.nodes.{n} = {known[f'RABBITMQ_{n}_NODE']}" for n in NODES]
    return {"CLUSTER_NODES": "\n".join(lines)}


def _name(values: Mapping[str, str], setting: str) -> str:
    parts = urlsplit(values.get(setting, ""))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise EnvFileError(f"{setting} must be https://, or http://, and a host")
    return parts.hostname


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _unique(words: list[str]) -> list[str]:
    return list(dict.fromkeys(words))
