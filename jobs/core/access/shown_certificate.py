"""A certificate in words, for the message of a process that does not trust it."""

from __future__ import annotations

from cryptography import x509


def described(shown: x509.Certificate) -> str:
    """Return whose a certificate is, who issued it, its hosts and its days."""
    return (
        f"{shown.subject.rfc4514_string()}, issued by {shown.issuer.rfc4514_string()}, for "
        f"{', '.join(_names(shown)) or 'no host'}, valid from {shown.not_valid_before_utc:%Y-%m-%d} to "
        f"{shown.not_valid_after_utc:%Y-%m-%d}"
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]
