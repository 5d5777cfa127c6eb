"""Everything that the environment decides, read once into one frozen object.

Each setting is declared once, in one of `config_parts`: type, bounds, default and description. msgspec checks
the values, as it checks a version's options. This is not pydantic-settings, because that makes no object of
an environment with a wrong value, but Django's system checks need one to list all mistakes; it suggests no
names; and its import takes 55 ms in every process, while this module takes 11 with all that it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from inference_site.config_parts.key_config import NEEDED_BY_SERVICE, KeyConfig
from inference_site.config_parts.payload_config import PayloadConfig
from inference_site.config_parts.secret_files import with_files
from inference_site.config_parts.server_config import ServerConfig
from inference_site.config_parts.watch_config import WatchConfig
from inference_site.config_parts.web_config import WebConfig
from inference_site.config_parts.worker_config import WorkerConfig
from inference_site.environment import Environ, SettingRow, read, rows
from inference_site.process_needs import BROKER, DATABASE, SITE_KEY, Needs

ALL = Needs((DATABASE, BROKER, SITE_KEY))


@dataclass(frozen=True)
class Config(WatchConfig, WorkerConfig, KeyConfig, PayloadConfig, WebConfig, ServerConfig):
    """The configuration of a process; `mistakes` holds a sentence for each value that could not be used."""

    mistakes: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Environ, needs: Needs = ALL) -> Config:
        """Read `environ`; a value that cannot be used leaves its default and a sentence in `mistakes`.

        So does each secret that the process must have and that is not set. A secret may be in a file that
        NAME_FILE names.
        """
        environ, unread = with_files(environ)
        values, mistakes = read(cls, environ)
        config, missing = cls(**values), needs.missing(environ)
        needed = ["payload_bucket"] if config.payload_storage == "s3" else []
        needed += NEEDED_BY_SERVICE[config.payload_key_service]
        missing += [
            f"{name.upper()} is not set." for name in needed if not environ.get(name.upper(), "").strip()
        ]
        return replace(config, mistakes=(*unread, *mistakes, *missing))

    @property
    def https(self) -> bool:
        """Return whether clients reach this site by https, which its own address decides."""
        return self.api_url.startswith("https://")


def setting_rows() -> list[SettingRow]:
    """Return (name, default, description) of each setting, for documentation."""
    return rows(Config)
