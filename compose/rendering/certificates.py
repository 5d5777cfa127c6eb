"""A CA of this deployment's own, and certificates for servers and for users of the broker, by `openssl`."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from rendering.env_file import RenderError
from rendering.files import PUBLIC, write

CA_DAYS = 3650
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
commonName = {name}
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{names}
"""


@dataclass(frozen=True)
class Authority:
    """The folder of the CA, and that of the certificates, each in a folder by its name."""

    ca: Path
    certificates: Path
    days: int

    @property
    def bundle(self) -> Path:
        """Return the file of the CAs that all trust: this one, and its predecessor during a rotation."""
        return self.ca / "ca.pem"

    def make(self, hosts: Mapping[str, list[str]]) -> None:
        """Make the CA and the certificates that are missing; `hosts` are the host names of each."""
        if not (self.ca / "issuer.pem").exists():
            self._make_ca()
        for name, names in hosts.items():
            if not (self.certificates / name / "cert.pem").exists():
                self.issue(name, names)

    def rotate_ca(self) -> str:
        """Make another CA; the certificates of the old one remain trusted until it is retired."""
        old = (self.ca / "issuer.pem").read_text()
        self._make_ca()
        write(self.bundle, (self.ca / "issuer.pem").read_text() + old, PUBLIC)
        return "The CA is new, and the old one is still trusted."

    def retire_ca(self) -> str:
        """Trust no CA but the newest; RenderError while a certificate of another one is in use."""
        others = [
            path.parent.name
            for path in sorted(self.certificates.glob("*/cert.pem"))
            if not self._issued(path)
        ]
        if others:
            raise RenderError(
                f"certificates of the old CA are in use, rotate them first: {', '.join(others)}"
            )
        write(self.bundle, (self.ca / "issuer.pem").read_text(), PUBLIC)
        return "Only certificates of the newest CA are trusted."

    def issue(self, name: str, hosts: list[str]) -> str:
        """Make a certificate and its key, in place of the old one."""
        alternatives = ", ".join(f"{_kind(host)}:{host}" for host in hosts)
        names = f"subjectAltName = {alternatives}" if hosts else ""
        with TemporaryDirectory(dir=self.ca) as scratch:
            work = Path(scratch)
            config = _config(work, name, names)
            _openssl(
                "req",
                "-new",
                *CURVE,
                "-config",
                config,
                "-keyout",
                work / "key.pem",
                "-out",
                work / "asked.pem",
            )
            _openssl(
                "x509", "-req", "-in", work / "asked.pem",
                "-CA", self.ca / "issuer.pem", "-CAkey", self.ca / "issuer.key",
                "-set_serial", _serial(), "-days", str(self.days),
                "-extfile", config, "-extensions", "leaf", "-out", work / "cert.pem",
            )  # fmt: skip
            folder = self.certificates / name
            write(folder / "key.pem", (work / "key.pem").read_text())
            write(folder / "cert.pem", (work / "cert.pem").read_text(), PUBLIC)
        return f"The certificate of {name} is new."

    def ending(self, within_s: int) -> list[str]:
        """Return the names of the certificates that end within so many seconds."""
        paths = sorted(self.certificates.glob("*/cert.pem"))
        return [
            path.parent.name for path in paths if not _passes("x509", "-checkend", str(within_s), "-in", path)
        ]

    def _make_ca(self) -> None:
        self.ca.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.ca) as scratch:
            work = Path(scratch)
            config = _config(work, f"inference CA {secrets.token_hex(4)}", "")
            _openssl(
                "req", "-x509", *CURVE, "-config", config, "-extensions", "ca", "-days", str(CA_DAYS),
                "-set_serial", _serial(), "-keyout", work / "issuer.key", "-out", work / "issuer.pem",
            )  # fmt: skip
            write(self.ca / "issuer.key", (work / "issuer.key").read_text())
            write(self.ca / "issuer.pem", (work / "issuer.pem").read_text(), PUBLIC)
        write(self.bundle, (self.ca / "issuer.pem").read_text(), PUBLIC)

    def _issued(self, path: Path) -> bool:
        return _passes("verify", "-CAfile", self.ca / "issuer.pem", path)


def _config(work: Path, name: str, names: str) -> Path:
    path = work / "openssl.cnf"
    path.write_text(CONFIG.format(name=name, names=names))
    return path


def _kind(host: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:*-]+", host):
        raise RenderError(f"{host!r} is no host name and no address")
    try:
        ip_address(host)
    except ValueError:
        return "DNS"
    return "IP"


def _serial() -> str:
    return str(secrets.randbits(158) | 1)


def _passes(*words: str | Path) -> bool:
    return subprocess.run(["openssl", *words], capture_output=True, check=False).returncode == 0


def _openssl(*words: str | Path) -> None:
    try:
        ended = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RenderError("there is no program openssl: install the package openssl") from None
    if ended.returncode:
        raise RenderError(f"openssl {words[0]} failed: {ended.stderr.strip()[-500:]}")
