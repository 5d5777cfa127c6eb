"""The settings of the keys that wrap the clients' data keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta

from inference_site.environment import NamedKeys, ServerUrl, named_keys
from models_registry.core.struct_fields import about

NEEDED_BY_SERVICE: Final[dict[str, list[str]]] = {
    "none": [],
    "kms": ["payload_kms_key"],
    "vault": ["payload_vault_url", "payload_vault_token_file"],
}
OTHERS = 0o077  # the rights of all users but one


@dataclass(frozen=True)
class KeyConfig:
    """Which keys wrap data keys, and where they are."""

    payload_keys: Annotated[
        NamedKeys,
        about(
            "Keys that wrap the clients' data keys, for the option `encrypt` and for files: the first wraps, "
            "all unwrap.",
            allowed="name:key,name:key…, each key 32 bytes in base64",
        ),
    ] = field(default=(), repr=False)
    payload_keys_file: Annotated[
        str,
        about(
            "A file that holds PAYLOAD_KEYS, which stay out of the environment then.",
            allowed="the path of a file in the form of PAYLOAD_KEYS, which no other user may read",
        ),
    ] = ""
    payload_key_service: Annotated[
        Literal["none", "kms", "vault"],
        about(
            "What wraps new data keys: PAYLOAD_KEYS, AWS KMS or HashiCorp Vault. What else is set still "
            "unwraps, until `manage.py rotate_payload_keys` has run."
        ),
    ] = "none"
    payload_kms_key: Annotated[
        str,
        about(
            "The key of AWS KMS that wraps data keys; needs the extra `kms`. boto3 finds the credentials.",
            allowed="an id, ARN or alias; required with kms",
        ),
    ] = ""
    payload_kms_region: Annotated[str, about("The region of PAYLOAD_KMS_KEY.", allowed="a name")] = ""
    payload_kms_endpoint_url: Annotated[
        ServerUrl, about("A server that speaks the protocol of AWS KMS.", default="Amazon's")
    ] = ""
    payload_vault_url: Annotated[
        ServerUrl, about("HashiCorp Vault, whose transit engine wraps data keys; required with vault.")
    ] = ""
    payload_vault_key: Annotated[
        str,
        Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$"),
        about("The key of Vault's transit engine, of the type aes256-gcm96.", allowed="a name"),
    ] = "inference"
    payload_vault_token_file: Annotated[
        str,
        about(
            "The file with Vault's token, such as Vault's agent writes; read at each call.",
            allowed="a path; required with vault",
        ),
    ] = ""
    payload_vault_ca_file: Annotated[
        str, about("The CA that signed Vault's certificate.", allowed="a path", default="the system's CAs")
    ] = ""

    @property
    def seals(self) -> bool:
        """Return whether keys are set, so that files are sealed and versions may encrypt."""
        return bool(self.payload_keys) or self.payload_key_service != "none"

    def keys_of_file(self) -> tuple[tuple[tuple[str, bytes], ...], list[str]]:
        """Return PAYLOAD_KEYS and behind them those of PAYLOAD_KEYS_FILE, and a sentence for each mistake."""
        if not self.payload_keys_file:
            return self.payload_keys, []
        path = Path(self.payload_keys_file)
        try:
            more = named_keys("".join(path.read_text().split()))
            open_to_others = bool(path.stat().st_mode & OTHERS)
        except (OSError, ValueError) as error:
            return self.payload_keys, [f"PAYLOAD_KEYS_FILE: {error}."]
        mistakes = ["PAYLOAD_KEYS_FILE may be read by other users: chmod 600."] if open_to_others else []
        return tuple((dict(self.payload_keys) | dict(more)).items()), mistakes
