"""The settings of the keys that wrap the clients' data keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from msgspec import Meta

from inference_site.environment import NamedKeys, ServerUrl
from models_registry.core.struct_fields import about

NEEDED_BY_SERVICE: Final[dict[str, list[str]]] = {
    "none": [],
    "kms": ["payload_kms_key"],
    "vault": ["payload_vault_url", "payload_vault_token_file"],
}


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
