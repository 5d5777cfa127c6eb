"""TLS to the broker: kombu's transport for `amqps`, which checks each node's chain and host name.

py-amqp alone checks no name, and kombu would check on the second node of a cluster the name of the first. The
transport is registered under the scheme, so that the relay, Celery's processes and Flower all use it.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

from cryptography import x509
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.pyamqp import SSLTransport

from jobs.core.access.shown_certificate import described

SCHEME = "amqps"
LOOK_S = 3.0
# These are an ended connection, and no word about trust.
_LOST = (
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ssl.SSLSyscallError,
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
)
_OTHER_HOST = "BROKER_URL must use a name that it is for"
_OUT_OF_TIME = "Renew it, and compare the clocks"
_HINTS = {62: _OTHER_HOST, 64: _OTHER_HOST, 9: _OUT_OF_TIME, 10: _OUT_OF_TIME}  # by OpenSSL's X509_V_ERR


class TlsRefusedError(OSError):
    """One side does not trust the other's certificate, or the port speaks no TLS."""


class CheckedTransport(SSLTransport):
    """kombu's transport over TLS, with our files and the name of the node in use."""

    def establish_connection(self) -> Any:
        """Return an open connection; TlsRefusedError names the certificate that is not trusted."""
        client, host = self.client, self.client.hostname or "localhost"
        try:
            client.ssl = _options(host)
            return super().establish_connection()
        except ssl.SSLError as error:
            alert = _alert(host, client.port) if isinstance(error, _LOST) else error
            if alert is None:
                raise
            raise TlsRefusedError(_sentence(host, client.port, alert)) from error
        finally:
            # Both are kept with the connection, whose next try may be of another node.
            client.hostname, client.ssl = host, True


TRANSPORT_ALIASES[SCHEME] = f"{CheckedTransport.__module__}:{CheckedTransport.__name__}"


def _options(host: str) -> dict[str, Any]:
    config = settings.INFERENCE
    options = {"server_hostname": host, "cert_reqs": ssl.CERT_REQUIRED}
    if config.broker_ca_file:
        options["ca_certs"] = _readable("BROKER_CA_FILE", config.broker_ca_file)
    if config.broker_cert_file:
        options["certfile"] = _readable("BROKER_CERT_FILE", config.broker_cert_file)
    if config.broker_key_file:
        options["keyfile"] = _readable("BROKER_KEY_FILE", config.broker_key_file)
    return options


def _readable(name: str, path: str) -> str:
    try:
        with open(path, "rb"):  # noqa: PTH123  # only to open it
            return path
    except OSError as error:
        raise TlsRefusedError(f"{name} cannot be read: {error}") from error


def _alert(host: str, port: int) -> ssl.SSLError | None:
    """Return what a node says that ended a connection at once; None if it says nothing.

    In TLS 1.3 a node refuses our certificate after the handshake, and the first write may fail before that is
    read. This connection only reads.
    """
    config = settings.INFERENCE
    try:
        context = ssl.create_default_context(cafile=config.broker_ca_file or None)
        if config.broker_cert_file:
            context.load_cert_chain(config.broker_cert_file, config.broker_key_file or None)
        with (
            socket.create_connection((host, port), LOOK_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            secure.recv(1)
    except _LOST:
        return None
    except ssl.SSLError as error:
        return error
    except OSError:
        return None
    return None


def _sentence(host: str, port: int, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        hint = _HINTS.get(error.verify_code, "BROKER_CA_FILE names the CA to trust")
        return f"{_named(host, port)} is not trusted: {reason}. {hint}"
    if "ALERT" in (error.reason or ""):
        return (
            f"the broker at {host}:{port} refuses the certificate in BROKER_CERT_FILE "
            f"({settings.INFERENCE.broker_cert_file or 'not set'}): {error.reason}"
        )
    return f"no TLS with the broker at {host}:{port}: {error.reason or error}. Check BROKER_URL and the files"


def _named(host: str, port: int) -> str:
    """Return the certificate that the node shows, in words."""
    try:
        text = ssl.get_server_certificate((host, port), timeout=LOOK_S)
        shown = x509.load_pem_x509_certificate(text.encode())
    except (OSError, ValueError):
        return f"the certificate of the broker at {host}:{port}"
    return f"the certificate of the broker at {host}:{port} ({described(shown)})"
