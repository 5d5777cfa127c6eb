"""INTERIM: what compose/render.py will write; goes away with the merge of deploy."""

from __future__ import annotations

import json
import secrets
import subprocess
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

from inference_site.stack.ports import LOOPBACK
from inference_site.stack.private_files import payload_key
from inference_site.stack.services import PROJECT
from tests.smoke.addresses import AMQP, DISTRIBUTION, MANAGEMENT, METRICS, NODES, PROGRAMS, Addresses
from tests.support.broker_logins import rendered as old_rendered
from tests.support.certificates import Authority

USERS = {"web": "", "stream": "", "cpu-worker": "cpu-worker", "beat": "beat", "flower": "monitor"}


class Rendered:
    def __init__(self, folder: Path, addresses: Addresses) -> None:
        folder.mkdir(parents=True)
        self.folder, self.addresses = folder, addresses
        self.authority = Authority(folder / "ca")
        self.ca_file = self.authority.ca_file
        definitions, self.urls = old_rendered(folder, "/")
        (folder / "definitions.json").write_text(json.dumps(definitions))
        self.cookie = secrets.token_hex(16)
        self.passwords = {name: secrets.token_hex(12) for name in ("inference", "inference_owner", "inference_runtime")}
        self.client = self.authority.issue("client", "client")
        self.broker_cert = self.authority.issue("rabbitmq", LOOPBACK, "localhost")
        self.pg_cert = self.authority.issue("postgres", LOOPBACK, "localhost")
        self.proxy_cert = self.authority.issue("proxy", LOOPBACK, "localhost")
        self._secret_key = secrets.token_urlsafe(60)
        self._payload_key = payload_key(folder / "payload-key")
        for node in NODES:
            self._node(node)
        self._postgres()
        self._nginx()
        self._prometheus()

    def node_conf(self, node: str) -> Path:
        return self.folder / f"{node}.conf"

    def _node(self, node: str) -> None:
        port = lambda kind: self.addresses.of_node(node, kind)
        tls = {"cacertfile": self.ca_file, "certfile": self.broker_cert.cert, "keyfile": self.broker_cert.key}
        lines = {
            "listeners.tcp": "none",
            "listeners.ssl.1": f"{LOOPBACK}:{port(AMQP)}",
            **{f"ssl_options.{k}": v for k, v in tls.items()},
            "ssl_options.verify": "verify_peer",
            "ssl_options.fail_if_no_peer_cert": "true",
            "management.ssl.ip": LOOPBACK,
            "management.ssl.port": port(MANAGEMENT),
            **{f"management.ssl.{k}": v for k, v in tls.items()},
            "prometheus.ssl.ip": LOOPBACK,
            "prometheus.ssl.port": port(METRICS),
            **{f"prometheus.ssl.{k}": v for k, v in tls.items()},
            "load_definitions": self.folder / "definitions.json",
            "cluster_formation.peer_discovery_backend": "classic_config",
            **{f"cluster_formation.classic_config.nodes.{i}": f"{n}@localhost" for i, n in enumerate(NODES, 1)},
            "vm_memory_high_watermark.relative": "0.4",
            "disk_free_limit.absolute": "50MB",
            "collect_statistics_interval": "5000",
            "log.file.level": "info",
        }
        self.node_conf(node).write_text("".join(f"{k} = {v}\n" for k, v in lines.items()))

    def _postgres(self) -> None:
        self.postgres_conf = self.folder / "postgresql.conf"
        self.hba = self.folder / "pg_hba.conf"
        self.postgres_conf.write_text(f"""
listen_addresses = '{LOOPBACK}'
unix_socket_directories = ''
port = {self.addresses.port('postgres')}
ssl = on
ssl_cert_file = '{self.pg_cert.cert}'
ssl_key_file = '{self.pg_cert.key}'
ssl_ca_file = '{self.ca_file}'
max_connections = 300
max_locks_per_transaction = 256
shared_buffers = 256MB
wal_level = replica
max_wal_senders = 10
timezone = 'UTC'
jit = off
""")
        self.hba.write_text("hostssl replication all all scram-sha-256\nhostssl all all all scram-sha-256\n")
        self.pg_cert.key.chmod(0o600)

    def database_url(self, role: str) -> str:
        port = self.addresses.port("postgres")
        return (f"postgresql://{role}:{self.passwords[role]}@{LOOPBACK}:{port}/inference"
                f"?sslmode=verify-full&sslrootcert={self.ca_file}")

    def _broker_url(self, user: str) -> str:
        login = self.urls[user].partition("@")[0].replace("amqp:", "amqps:")
        return ";".join(f"{login}@{LOOPBACK}:{self.addresses.of_node(n, AMQP)}//" for n in NODES)

    @property
    def monitor(self) -> tuple[str, str]:
        from urllib.parse import unquote, urlsplit
        parts = urlsplit(self.urls["monitor"])
        return unquote(parts.username or ""), unquote(parts.password or "")

    def env(self, program: str) -> dict[str, str]:
        user = "relay" if program.startswith("relay") else "worker" if program.startswith("gpu") else USERS.get(program, "operator")
        env = {"BROKER_URL": self._broker_url(user)} if user else {}
        env |= {"BROKER_CA_FILE": str(self.ca_file), "BROKER_CERT_FILE": str(self.client.cert), "BROKER_KEY_FILE": str(self.client.key)}
        if program not in ("beat", "flower"):
            env["DATABASE_URL"] = self.database_url("inference_runtime")
            env["SECRET_KEY"] = self._secret_key
            env["PAYLOAD_KEYS"] = f"a:{self._payload_key}"
            env["PII_KEY"] = b64encode(b"p" * 32).decode()
        if program == "flower":
            env["RABBITMQ_MANAGEMENT_URL"] = f"https://{LOOPBACK}:{self.addresses.of_node(NODES[0], MANAGEMENT)}"
            env["FLOWER_BASIC_AUTH"] = "admin:flowerpassword"
        return env | {
            "QUEUE_TYPE": "quorum", "API_URL": self.addresses.api_url, "STREAM_URL": self.addresses.api_url,
            "ALLOWED_HOSTS": LOOPBACK, "TRUSTED_PROXY_HOPS": "1",
        }

    def _nginx(self) -> None:
        self.nginx_conf = self.folder / "nginx.conf"
        a = self.addresses
        self.nginx_conf.write_text(f"""
worker_processes 1;
error_log {self.folder}/nginx-error.log;
pid {self.folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  access_log {self.folder}/nginx-access.log;
  client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy; fastcgi_temp_path {self.folder}/f;
  uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  upstream web {{ server {LOOPBACK}:{a.port('web')}; keepalive 32; }}
  server {{
    listen {LOOPBACK}:{a.port('proxy')} ssl;
    ssl_certificate {self.proxy_cert.cert}; ssl_certificate_key {self.proxy_cert.key};
    client_max_body_size 64m;
    location = /metrics {{ return 404; }}
    location / {{
      proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
    }}
  }}
}}
""")

    def _prometheus(self) -> None:
        self.prometheus_conf = self.folder / "prometheus.yaml"
        rules = PROJECT / "compose/prometheus/rules"
        jobs = {}
        for p in PROGRAMS:
            kind = p.rstrip("-0123456789")
            jobs.setdefault(kind, []).append(f"{LOOPBACK}:{self.addresses.metrics(p)}")
        text = "".join(f"  - job_name: {k}\n    static_configs: [{{targets: {json.dumps(v)}}}]\n" for k, v in jobs.items())
        nodes = [f"{LOOPBACK}:{self.addresses.of_node(n, METRICS)}" for n in NODES]
        text += f"  - job_name: rabbitmq\n    scheme: https\n    tls_config: {{ca_file: {self.ca_file}}}\n    static_configs: [{{targets: {json.dumps(nodes)}}}]\n"
        self.prometheus_conf.write_text(f"global:\n  scrape_interval: 5s\n  evaluation_interval: 5s\nrule_files: ['{rules}/*.yaml']\nscrape_configs:\n{text}")
