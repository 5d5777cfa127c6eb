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
from rendering.files import PRIVATE, PUBLIC, write, write_together

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
        """Make another CA; the certificates of all before it remain trusted until they are retired."""
        self._make_ca(trusted=self.bundle.read_text())
        return "The CA is new, and the old one is still trusted."

    def retire_ca(self) -> str:
        """Trust no CA but the newest; RenderError while a certificate of another one of ours is in use.

        The operator's own certificates, which a public CA issued, are none of these.
        """
        newest = self.ca / "issuer.pem"
        others = [
            path.parent.name
            for path in sorted(self.certificates.glob("*/cert.pem"))
            if _issued(path, self.bundle) and not _issued(path, newest)
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
            write_together([
                (folder / "key.pem", (work / "key.pem").read_text(), PRIVATE),
                (folder / "cert.pem", (work / "cert.pem").read_text(), PUBLIC),
            ])  # fmt: skip
        return f"The certificate of {name} is new."

    def ending(self, within_s: int) -> list[str]:
        """Return the names of the certificates that end within so many seconds."""
        paths = sorted(self.certificates.glob("*/cert.pem"))
        return [
            path.parent.name for path in paths if not _passes("x509", "-checkend", str(within_s), "-in", path)
        ]

    def unmatched(self) -> list[str]:
        """Return the names of certificates that are not those of their keys, `ca` among them."""
        pairs = {"ca": (self.ca / "issuer.pem", self.ca / "issuer.key")}
        for path in sorted(self.certificates.glob("*/cert.pem")):
            pairs[path.parent.name] = path, path.with_name("key.pem")
        return [name for name, pair in pairs.items() if not _belong_together(*pair)]

    def _make_ca(self, trusted: str = "") -> None:
        self.ca.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.ca) as scratch:
            work = Path(scratch)
            config = _config(work, f"inference CA {secrets.token_hex(4)}", "")
            _openssl(
                "req", "-x509", *CURVE, "-config", config, "-extensions", "ca", "-days", str(CA_DAYS),
                "-set_serial", _serial(), "-keyout", work / "issuer.key", "-out", work / "issuer.pem",
            )  # fmt: skip
            issuer = (work / "issuer.pem").read_text()
            write_together([
                (self.bundle, issuer + trusted, PUBLIC),  # first: a CA that issues must be trusted
                (self.ca / "issuer.key", (work / "issuer.key").read_text(), PRIVATE),
                (self.ca / "issuer.pem", issuer, PUBLIC),
            ])  # fmt: skip


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


def _issued(path: Path, authorities: Path) -> bool:
    """Return whether one of these CAs, and no other of this host, issued a certificate."""
    alone = ("-no-CApath", "-no-CAstore", "-no_check_time")
    return _passes("verify", *alone, "-CAfile", authorities, path)


def _belong_together(certificate: Path, key: Path) -> bool:
    of_certificate = _output("x509", "-noout", "-pubkey", "-in", certificate)
    return bool(of_certificate) and of_certificate == _output("pkey", "-pubout", "-in", key)


def _output(*words: str | Path) -> bytes:
    return subprocess.run(["openssl", *words], capture_output=True, check=False).stdout


def _passes(*words: str | Path) -> bool:
    return subprocess.run(["openssl", *words], capture_output=True, check=False).returncode == 0


def _openssl(*words: str | Path) -> None:
    try:
        ended = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RenderError("there is no program openssl: install the package openssl") from None
    if ended.returncode:
        raise RenderError(f"openssl {words[0]} failed: {ended.stderr.strip()[-500:]}")
