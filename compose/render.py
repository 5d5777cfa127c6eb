#!/usr/bin/env python3
"""Make what the servers and processes read: a CA, certificates, users, passwords and configuration files.

    ./render.py [FOLDER]                 make what is missing in FOLDER/rendered, by FOLDER/.env
    ./render.py [FOLDER] --rotate NAME   a new secret (RELAY_PASSWORD), certificate (proxy) or CA (ca)
    ./render.py [FOLDER] --announce NAME what the next rotation takes: a key of PAYLOAD_KEYS that only
                                         reads, or the other login of DATABASE_RUNTIME_PASSWORD
    ./render.py [FOLDER] --retire NAME   forget the old SECRET_KEY, PAYLOAD_KEYS, DATABASE_RUNTIME_PASSWORD or
                                         ca after a rotation
    ./render.py --names                  list what can be rotated

Secrets, keys and certificates that exist are never overwritten; configuration files are written again, and
are the same if nothing has changed. Run it as root for containers: then each file belongs to the user of the
container that reads it. It needs Python's standard library and the program `openssl`. `.env` is read as text,
never run, and a line that Docker Compose would read in another way is refused, as is a value of the example.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from rendering import certificates, logins  # noqa: E402
from rendering.env_file import RenderError, check, read_env, whole  # noqa: E402
from rendering.files import PUBLIC, alone_in, write  # noqa: E402
from rendering.known_names import known_names  # noqa: E402
from rendering.owners import hand_over_all  # noqa: E402
from rendering.places import check_grace, hosts, places  # noqa: E402
from rendering.secret_store import SecretStore  # noqa: E402
from rendering.templates import filled  # noqa: E402

REQUIRED = ("API_URL", "STREAM_URL", "ALLOWED_HOSTS")
SOON_S = 30 * 86_400
CERTIFICATE_DAYS = "397"
PLAIN = {  # a template and where its text goes, one each
    "proxy/nginx.conf.template": "proxy/nginx.conf",
    "postgres/pg_hba.conf.template": "postgres/pg_hba.conf",
    "rabbitmq/enabled_plugins": "rabbitmq/enabled_plugins",
    "prometheus/prometheus.yaml.template": "prometheus/prometheus.yaml",
    "alertmanager/alertmanager.yaml.template": "alertmanager/alertmanager.yaml",
    "collector/collector.yaml.template": "collector/collector.yaml",
}


class Rendering:
    """One folder with its `.env`, and with what is made of it."""

    def __init__(self, folder: Path) -> None:
        """Read `.env`; EnvFileError."""
        self.target = folder / "rendered"
        self.template = json.loads((HERE / "definitions.template.json").read_text())
        self.users: list[str] = [user["name"] for user in self.template["users"]]
        self.values = read_env((folder / ".env").read_text())
        self.store = SecretStore(self.target / "secrets", self.values, self.users)
        check(self.values, REQUIRED, known_names(HERE, {*self.store.makers}))
        check_grace(self.values)
        self.places = places(self.values)
        given = self.values.get("CERTIFICATE_DAYS") or CERTIFICATE_DAYS
        days = whole({"CERTIFICATE_DAYS": given}, "CERTIFICATE_DAYS")
        self.authority = certificates.Authority(self.target / "ca", self.target / "tls", days)
        # A user of the broker has no host name: its certificate is good for no server.
        self.hosts: dict[str, list[str]] = {
            **hosts(self.values, self.places),
            **{user: [] for user in self.users},
        }

    def fill(self) -> None:
        """Make what is missing, and write the configuration."""
        _make_open(self.target.parent / "own")  # for certificates and keys of the operator's own
        secret = self.store.fill()
        self.authority.make(self.hosts)
        for name, url in logins.urls(secret, self.store.pair.newest, self.places, self.users):
            write(self.target / "urls" / name, url)
        write(self.target / "postgres/replication.pgpass", logins.passfile(secret))
        self._write_broker(secret)
        variables = {**self.places, **_delivery(secret, self.places), **_exporter(self.places)}
        for source, path in PLAIN.items():
            write(self.target / path, filled(HERE / source, variables), PUBLIC)
        self._write_database(variables)
        if os.geteuid() == 0 and self.values.get("OWNERS", "containers") == "containers":
            hand_over_all(self.target)

    def rotate(self, name: str) -> str:
        """Replace one secret, certificate or the CA; return what has happened."""
        self.fill()
        if name == "ca":
            return self.authority.rotate_ca()
        if name in self.hosts:
            return self.authority.issue(name, self.hosts[name])
        if name in self.store.makers:
            return self.store.rotate(name)
        raise RenderError(f"there is no {name}: --names lists what can be rotated")

    def retire(self, name: str) -> str:
        """Forget what only remained for the time of a rotation."""
        return self.authority.retire_ca() if name == "ca" else self.store.retire(name)

    def names(self) -> list[str]:
        """Return what can be rotated."""
        return ["ca", *self.hosts, *self.store.makers]

    def _write_broker(self, secret: Mapping[str, str]) -> None:
        path = self.target / "rabbitmq/definitions.json"
        write(path, logins.definitions(self.template, secret, path))
        for number in logins.NODES:
            keys = ("PORT", "MANAGEMENT_PORT", "METRICS_PORT")
            own = {f"NODE_{key}": self.places[f"RABBITMQ_{number}_{key}"] for key in keys}
            variables = {**self.places, **own, "N": str(number)}
            node = self.target / "rabbitmq" / f"rabbitmq-{number}"
            for ending, name in (
                ("conf", "rabbitmq.conf"),
                ("inter_node_tls.config", "inter_node_tls.config"),
            ):
                write(Path(f"{node}.{ending}"), filled(HERE / f"rabbitmq/{name}.template", variables), PUBLIC)

    def _write_database(self, variables: Mapping[str, str]) -> None:
        for server, own, other in (
            ("postgres", "POSTGRES", "REPLICA"),
            ("postgres-replica", "REPLICA", "POSTGRES"),
        ):
            ends = {f"OTHER_{key}": variables[f"{other}_{key}"] for key in ("HOST", "PORT")}
            filling = {**variables, **ends, "SERVER": server, "SERVER_PORT": variables[f"{own}_PORT"]}
            text = filled(HERE / "postgres/postgresql.conf.template", filling)
            write(self.target / "postgres" / f"{server}.conf", text, PUBLIC)


def _make_open(folder: Path) -> None:
    """Make a folder that the users of all containers may enter; one that exists stays as it is."""
    if not folder.exists():
        folder.mkdir()
        folder.chmod(0o755)  # whatever the mask of this process is


def _delivery(secret: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    webhook = f"\n    webhook_configs:\n      - url_file: {known['SECRETS_AT']}/ALERT_WEBHOOK_URL"
    return {"ALERT_DELIVERY": webhook if secret["ALERT_WEBHOOK_URL"] else ""}


def _exporter(known: Mapping[str, str]) -> dict[str, str]:
    if not known["TRACE_BACKEND"]:
        return {"TRACE_EXPORTER_NAME": "debug", "TRACE_EXPORTER": "debug: {verbosity: basic}"}
    name = "otlphttp"
    return {
        "TRACE_EXPORTER_NAME": name,
        "TRACE_EXPORTER": f'{name}: {{endpoint: "{known["TRACE_BACKEND"]}"}}',
    }


def main(argv: list[str]) -> None:
    """Do what the command line says; RenderError."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=HERE)
    parser.add_argument("--rotate", metavar="NAME")
    parser.add_argument("--announce", metavar="NAME")
    parser.add_argument("--retire", metavar="NAME")
    parser.add_argument("--names", action="store_true")
    options = parser.parse_args(argv)
    os.umask(0o077)
    with alone_in(options.folder):
        _act(Rendering(options.folder), options)


def _act(rendering: Rendering, options: argparse.Namespace) -> None:
    if options.names:
        print(*rendering.names(), sep="\n")  # noqa: T201  # the answer
        return
    asked = [(options.announce, rendering.store.announce), (options.rotate, rendering.rotate)]
    for name, act in [*asked, (options.retire, rendering.retire)]:
        if name:
            print(act(name))  # noqa: T201
    rendering.fill()
    for name in rendering.authority.ending(SOON_S):
        print(f"The certificate of {name} ends within 30 days: --rotate {name}", file=sys.stderr)  # noqa: T201
    if unread := rendering.store.unread:
        print(f"Take these out of .env, their files count: {', '.join(unread)}", file=sys.stderr)  # noqa: T201
    if unmatched := rendering.authority.unmatched():
        raise RenderError(
            f"the certificate and the key do not belong together of {', '.join(unmatched)}: --rotate NAME, "
            "or put the right ones of your own there"
        )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (RenderError, OSError, UnicodeDecodeError) as error:
        sys.exit(f"render: {error}")
