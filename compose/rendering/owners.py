"""Whom the rendered files belong to: in each image the processes run as a user of its own."""

from __future__ import annotations

from pathlib import Path

from rendering.files import hand_over

APP, POSTGRES, RABBITMQ, NGINX, NOBODY, GRAFANA = 10001, 999, 999, 101, 65534, 472
OWNERS = {
    "urls": APP,
    "postgres": POSTGRES,
    "rabbitmq": RABBITMQ,
    "proxy": NGINX,
    "alertmanager": NOBODY,
    "prometheus": NOBODY,
    "collector": APP,
    "secrets": APP,
    "secrets/POSTGRES_PASSWORD": POSTGRES,
    "secrets/REPLICATION_PASSWORD": POSTGRES,
    "secrets/ERLANG_COOKIE": RABBITMQ,
    "secrets/GRAFANA_PASSWORD": GRAFANA,
    "secrets/ALERT_WEBHOOK_URL": NOBODY,
    "tls": APP,  # the users of the broker
    "tls/proxy": NGINX,
    "tls/postgres": POSTGRES,
    "tls/postgres-replica": POSTGRES,
    "tls/rabbitmq-1": RABBITMQ,
    "tls/rabbitmq-2": RABBITMQ,
    "tls/rabbitmq-3": RABBITMQ,
}


def hand_over_all(target: Path) -> None:
    """Give each file to the user that reads it; the CA's key remains root's. Later entries count."""
    for name, user in OWNERS.items():
        hand_over(target / name, user)
    for folder in (target, target / "ca", target / "tls", target / "secrets", target / "urls"):
        folder.chmod(0o755)  # their files have the rights that count
