"""HashiCorp Vault's transit engine as the wrapping key: the key never leaves Vault."""

from __future__ import annotations

import ssl
from base64 import b64decode, b64encode
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from jobs.core.errors import PayloadKeyMissingError, PayloadUnavailableError, PayloadUnreadableError
from jobs.core.payloads.job_keys import DataKeyName
from jobs.payloads.wrapping.wrapping_key import WrappedDataKey

LIMIT_S = 5.0


class VaultWrappingKey:
    """A key of Vault's transit engine, of the type aes256-gcm96.

    The token is read from its file at each call, because Vault's agent renews it there.
    """

    kind = "vault:"

    def __init__(self, key: str, *, url: str, token_file: str, ca_file: str) -> None:
        """Prepare, without a call."""
        self.name = f"{self.kind}{key}"
        self._url, self._token_file = url, Path(token_file)
        self._client = httpx.Client(verify=_trusted(ca_file), timeout=LIMIT_S, trust_env=False)

    def wrap(self, key: bytes, place: DataKeyName) -> bytes:
        """Return `key` wrapped by Vault for its place."""
        answer = self._call("encrypt", self.name, place, plaintext=b64encode(key).decode())
        return str(answer["ciphertext"]).encode()

    def unwrap(self, row: WrappedDataKey, place: DataKeyName) -> bytes:
        """Return a key that Vault wrapped, by any version of its key."""
        ciphertext = row.wrapped.decode("ascii", "replace")
        return b64decode(self._call("decrypt", row.wrapped_by, place, ciphertext=ciphertext)["plaintext"])

    def _call(self, verb: str, name: str, place: DataKeyName, **body: str) -> Any:
        url = f"{self._url}/v1/transit/{verb}/{name.removeprefix(self.kind)}"
        bound = b64encode(place.bound).decode()
        try:
            token = self._token_file.read_text().strip()
            answer = self._client.post(
                url, json={**body, "associated_data": bound}, headers={"X-Vault-Token": token}
            )
        except (OSError, httpx.HTTPError) as error:
            raise PayloadUnavailableError(f"Vault does not respond: {type(error).__name__}.") from None
        return _data(answer)


def _data(answer: httpx.Response) -> Any:
    """Return the data of Vault's answer; its messages are not shown, because they may quote the request."""
    if answer.status_code == HTTPStatus.BAD_REQUEST:
        raise PayloadUnreadableError("The data key is not what Vault wrapped here.")
    if answer.status_code in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        raise PayloadKeyMissingError(f"Vault refuses the wrapping key: {answer.status_code}.")
    if answer.is_error:
        raise PayloadUnavailableError(f"Vault does not unwrap keys now: {answer.status_code}.")
    return answer.json()["data"]


def _trusted(ca_file: str) -> Any:
    return ssl.create_default_context(cafile=ca_file) if ca_file else True
