"""Whether Postgres shows a certificate that DATABASE_URL trusts; else a process does not start.

libpq says of an expired certificate, and of one of an unknown CA, only that it is not verified. So where no
connection comes about, each host is asked once more, as libpq does it, for the reason and the certificate.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
from cryptography import x509
from django.conf import settings

from jobs.core.access.shown_certificate import described
from jobs.core.errors import DatabaseTlsError
from jobs.db.address import parameters

logger = logging.getLogger(__name__)
ASKED = frozenset({"require", "verify-ca", "verify-full"})
CHECKED, NAMED = frozenset({"verify-ca", "verify-full"}), "verify-full"
LOOK_S = 5.0
_PORT = "5432"
_REQUEST = struct.pack("!ii", 8, 80_877_103)  # "SSLRequest" of Postgres' protocol
_HINTS = {
    10: "renew it, and compare the clocks", 9: "compare the clocks",
    62: "DATABASE_URL must use a name that it is for", 64: "DATABASE_URL must use a name that it is for",
}  # fmt: skip


def refuse_untrusted_database() -> None:
    """Raise DatabaseTlsError if no host can be connected to and one is not trusted; for a process's start.

    A database that is away, or refuses the login, is no reason not to start: it may come back.
    """
    config = settings.INFERENCE
    for url in filter(None, dict.fromkeys((config.database_url, config.database_direct_url))):
        options = parameters(url)
        if options.get("sslmode") in ASKED:
            try:
                psycopg.connect(**options).close()  # type: ignore[arg-type]  # libpq takes any of them
            except psycopg.OperationalError as error:
                if faults := [*_faults(options)]:
                    raise DatabaseTlsError(f"The database is not trusted: {'; '.join(faults)}.") from error
                logger.warning("the database does not answer at the start: %s", " ".join(str(error).split()))


def _faults(options: Mapping[str, str | int]) -> Iterator[str]:
    hosts = str(options.get("host", "")).split(",")
    ports = str(options.get("port") or _PORT).split(",")
    for host, port in zip(hosts, ports if len(ports) > 1 else ports * len(hosts), strict=True):
        if host and not host.startswith(("/", "@")):
            try:
                yield from filter(None, [_fault(host, int(port or _PORT), options)])
            except OSError:
                continue  # it is away


def _fault(host: str, port: int, options: Mapping[str, str | int]) -> str:
    """Return why a host is not trusted, empty where it is; OSError where it is away."""
    where, mode = f"{host}:{port}", str(options["sslmode"])
    authorities = _authorities(options) if mode in CHECKED else None
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError) as error:
        return f"sslrootcert cannot be read: {authorities}: {error}"
    context.check_hostname = mode == NAMED
    context.verify_mode = ssl.CERT_REQUIRED if mode in CHECKED else ssl.CERT_NONE
    try:
        with closing(_asked(host, port)) as plain:
            if plain.recv(1) != b"S":
                return f"{where} shows no certificate: it offers no TLS, and sslmode={mode} asks for it"
            context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        hint = _HINTS.get(error.verify_code, "sslrootcert names the CA to trust")
        return f"the certificate of {where}{_shown(host, port)}: {error.verify_message.rstrip('.')}; {hint}"
    except ssl.SSLError as error:
        return f"no TLS with {where}, whose certificate cannot be read: {error.reason or error}"
    return ""


def _authorities(options: Mapping[str, str | int]) -> str | None:
    """Return the file of the CAs that libpq trusts; None for those of the system."""
    given = str(options.get("sslrootcert") or os.environ.get("PGSSLROOTCERT") or "")
    return None if given == "system" else given or str(Path.home() / ".postgresql" / "root.crt")


def _asked(host: str, port: int) -> socket.socket:
    connected = socket.create_connection((host, port), LOOK_S)
    connected.sendall(_REQUEST)
    return connected


def _shown(host: str, port: int) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only to read it
    try:
        with closing(_asked(host, port)) as plain:
            plain.recv(1)
            with context.wrap_socket(plain, server_hostname=host) as secure:
                shown = secure.getpeercert(binary_form=True)
    except OSError:
        return ""
    return f" ({described(x509.load_der_x509_certificate(shown))})" if shown else ""
