"""A database whose certificate is not trusted ends each process at its start, which names the certificate."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from inference_site.stack.ports import free_port
from inference_site.stack.services import PROJECT
from jobs.core.errors import DatabaseTlsError
from jobs.db.database_tls import refuse_untrusted_database
from tests.support.certificates import Authority, Certificate


@contextmanager
def server(certificate: Certificate | None) -> Iterator[int]:
    """Serve the beginning of Postgres' protocol, with TLS or without it; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, certificate), daemon=True).start()
        yield listening.getsockname()[1]


def _serve(listening: socket.socket, certificate: Certificate | None) -> None:
    with suppress(OSError):  # the test has ended
        while True:
            with listening.accept()[0] as caller, suppress(OSError):
                caller.recv(8)
                caller.sendall(b"S" if certificate else b"N")
                if certificate:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(certificate.cert, certificate.key)
                    context.wrap_socket(caller, server_side=True).close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def url(port: int, authority: Authority, mode: str = "verify-full") -> str:
    return f"postgresql://u:w0rd@127.0.0.1:{port}/n?sslmode={mode}&sslrootcert={authority.ca_file}"


def refuse(address: str) -> None:
    config = replace(settings.INFERENCE, database_url=address, database_direct_url="")
    with override_settings(INFERENCE=config):
        refuse_untrusted_database()


@pytest.mark.parametrize(
    ("hosts", "days", "words"),
    [
        (["db.example"], 30, "IP address mismatch.*; DATABASE_URL must use a name that it is for"),
        (["127.0.0.1"], -1, "certificate has expired; renew it, and compare the clocks"),
    ],
)
def test_another_host_and_an_expired_certificate_are_named(
    authority: Authority, hosts: list[str], days: int, words: str
) -> None:
    with (
        server(authority.issue("db", *hosts, days=days)) as port,
        pytest.raises(
            DatabaseTlsError, match=rf"{port} \(CN=db, issued by CN=Test CA, for {hosts[0]}.*{words}"
        ) as caught,
    ):
        refuse(url(port, authority))
    assert "w0rd" not in str(caught.value)


def test_an_unknown_ca_is_named(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other CA")
    with (
        server(other.issue("db", "127.0.0.1")) as port,
        pytest.raises(DatabaseTlsError, match=r"issued by CN=Other CA.*; sslrootcert names the CA to trust"),
    ):
        refuse(url(port, authority))


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_tls_is_refused_where_tls_is_asked_for(authority: Authority, mode: str) -> None:
    with (
        server(None) as port,
        pytest.raises(DatabaseTlsError, match=f"offers no TLS, and sslmode={mode} asks"),
    ):
        refuse(url(port, authority, mode))


def test_a_ca_that_cannot_be_read_is_named(authority: Authority, tmp_path: Path) -> None:
    with server(authority.issue("db", "127.0.0.1")) as port:
        address = url(port, authority).replace(str(authority.ca_file), f"{tmp_path}/none.pem")
        with pytest.raises(DatabaseTlsError, match=r"sslrootcert cannot be read: .*none\.pem"):
            refuse(address)


def test_a_database_that_is_away_or_that_is_trusted_is_no_reason_not_to_start(authority: Authority) -> None:
    refuse(url(free_port(), authority))
    with server(authority.issue("db", "127.0.0.1")) as port:  # which ends after the handshake
        refuse(url(port, authority))
    refuse(f"postgresql://u@127.0.0.1:{free_port()}/n")


def test_the_authorities_are_those_that_libpq_trusts(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(f"postgresql://u@127.0.0.1:{free_port()}/n?sslmode=verify-full&sslrootcert=system")  # it is away
    (tmp_path / ".postgresql").mkdir()
    shutil.copy(authority.ca_file, tmp_path / ".postgresql" / "root.crt")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with server(authority.issue("db", "127.0.0.1")) as port:  # it refuses the login of one that trusts it
        refuse(f"postgresql://u@127.0.0.1:{port}/n?sslmode=verify-full")


CELERY = ("-m", "celery", "-A", "inference_site")
STARTS = {
    "web": (
        "-m",
        "granian",
        "--interface",
        "asgi",
        "--port",
        str(free_port()),
        "inference_site.asgi:application",
    ),
    "relay": ("manage.py", "relay"),
    "gpu-worker": ("manage.py", "gpu_worker", "--cpu", "--models", "echo"),
    "cpu-worker": (*CELERY, "worker", "-Q", "cpu", "--pool", "threads"),
}


@pytest.mark.parametrize("name", STARTS)
def test_no_process_starts_and_each_names_the_certificate(name: str, authority: Authority) -> None:
    env = {
        "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "inference_site.settings",
        "BROKER_URL": "amqp://u:p@127.0.0.1:1//",
        "SECRET_KEY": "fifty characters, none of which is known to others",
    }  # fmt: skip
    with server(authority.issue("db", "db.example")) as port:
        ended = subprocess.run(
            [sys.executable, *STARTS[name]], env={**env, "DATABASE_URL": url(port, authority)},
            cwd=PROJECT, capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip
    assert ended.returncode != 0
    assert "(CN=db, issued by CN=Test CA, for db.example" in ended.stdout + ended.stderr
