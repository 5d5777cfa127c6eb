"""The secrets: one file each, made once, never overwritten but by a rotation.

A value in `.env` is taken at the first rendering. Afterwards the files are what counts, and the lines in
`.env` can go.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

from rendering.env_file import EnvFileError, RenderError
from rendering.files import write
from rendering.login_pair import PAIR, RUNTIME, RUNTIME_B, LoginPair

KEY_BYTES, WORD_BYTES, SITE_KEY_BYTES = 32, 32, 64
FALLBACKS = "SECRET_KEY_FALLBACKS"
LOGIN = "FLOWER_BASIC_AUTH"


def _word() -> str:
    return secrets.token_urlsafe(WORD_BYTES)


def _key() -> str:
    return b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _site_key() -> str:
    return secrets.token_urlsafe(SITE_KEY_BYTES)


def _payload_keys() -> str:
    return f"k1:{_key()}"


def _login() -> str:
    return f"admin:{_word()}"


def _nothing() -> str:
    return ""


DATABASE = ("POSTGRES_PASSWORD", "DATABASE_OWNER_PASSWORD", RUNTIME, "REPLICATION_PASSWORD")
# What makes each secret. Those that only their owner knows begin empty: write them into their files, or into
# `.env` before the first rendering.
MAKERS: Mapping[str, Callable[[], str]] = {
    "SECRET_KEY": _site_key,
    FALLBACKS: _nothing,
    "PII_KEY": _key,
    "PAYLOAD_KEYS": _payload_keys,
    **dict.fromkeys(DATABASE, _word),
    RUNTIME_B: _nothing,
    LOGIN: _login,
    "GRAFANA_PASSWORD": _word,
    "ERLANG_COOKIE": _word,
    "AWS_CREDENTIALS": _nothing,
    "VAULT_TOKEN": _nothing,
    "ALERT_WEBHOOK_URL": _nothing,
}
# A change of one of these loses something.
FIXED = {"PII_KEY": "tokens of personal data made with it would match no others"}
KEPT_OUT = {"AWS_CREDENTIALS", "VAULT_TOKEN", "ALERT_WEBHOOK_URL", FALLBACKS}
MAY_BE_EMPTY = KEPT_OUT | {"PAYLOAD_KEYS"}  # where a key service wraps, or nothing is encrypted


class SecretStore:
    """The folder of the secrets."""

    def __init__(self, folder: Path, given: Mapping[str, str], users: list[str]) -> None:
        """Serve from `folder`; `given` are values of `.env`, and `users` those of the broker."""
        self._folder, self._given = folder, given
        self.makers = {**MAKERS, **dict.fromkeys(map(password_of, users), _word)}
        self.pair = LoginPair(folder, _word)

    def fill(self) -> dict[str, str]:
        """Make what is missing; return all. EnvFileError where `.env` has another value than the file."""
        return {name: self._filled(name) for name in self.makers}

    @property
    def unread(self) -> list[str]:
        """Return the secrets that `.env` still has, although their files count."""
        return sorted(name for name in self.makers if self._given.get(name))

    def _filled(self, name: str) -> str:
        path, given = self._folder / name, self._given.get(name, "")
        if given != given.strip():
            raise EnvFileError(f"{name} begins or ends with a space, which no process would read")
        if not path.exists():
            write(path, given or self.makers[name]())
        stored = path.read_text().rstrip("\n")
        if not stored and not self._may_be_empty(name):
            raise RenderError(f"{path} is empty: put its copy back")
        if given not in {"", stored}:
            raise EnvFileError(
                f"{name} is not that of {path}, which counts; take it out of .env, and use --rotate {name} "
                "to change it"
            )
        return stored

    def _may_be_empty(self, name: str) -> bool:
        return name in MAY_BE_EMPTY or (name in PAIR and name != self.pair.newest)

    def rotate(self, name: str) -> str:
        """Replace a secret; return a sentence about what must follow. RenderError where it cannot be."""
        self._refuse(name)
        if name == RUNTIME:
            return self.pair.rotate()
        old = self.fill()[name]
        fresh = self.makers[name]()
        if name == "SECRET_KEY":
            self._keep_reading(old)
        elif name == "PAYLOAD_KEYS":
            fresh = _newest_first(old) if old else fresh
        elif name == LOGIN:
            fresh = f"{old.partition(':')[0]}:{_word()}"
        write(self._folder / name, fresh)
        return f"{name} is new."

    def announce(self, name: str) -> str:
        """Add a key that only reads, or a login that no process takes: the next rotation takes it."""
        if name not in {"PAYLOAD_KEYS", RUNTIME}:
            raise RenderError(f"only PAYLOAD_KEYS and {RUNTIME} can be announced, not {name}")
        self._refuse(name)
        if name == RUNTIME:
            self.fill()
            return self.pair.announce()
        entries = _entries(self.fill()[name])
        write(self._folder / name, ",".join([*entries, _next(entries)]))
        return "PAYLOAD_KEYS has another key, which only reads."

    def retire(self, name: str) -> str:
        """Forget what counts besides the newest: old site keys or payload keys, or the login before."""
        if name == RUNTIME:
            self._refuse(name)
            self.fill()
            return self.pair.retire()
        if name == "SECRET_KEY":
            write(self._folder / FALLBACKS, "")
            return "The old values of SECRET_KEY are forgotten."
        if name == "PAYLOAD_KEYS":
            first = self.fill()[name].partition(",")[0]
            write(self._folder / name, first)
            return "All keys of PAYLOAD_KEYS but the first are forgotten."
        raise RenderError(f"only SECRET_KEY, PAYLOAD_KEYS, {RUNTIME} and ca keep an old value, not {name}")

    def _refuse(self, name: str) -> None:
        if name in FIXED:
            raise RenderError(f"{name} cannot be rotated: {FIXED[name]}")
        if name == RUNTIME_B:
            raise RenderError(f"{RUNTIME_B} is the other login of the same processes: --rotate {RUNTIME}")
        if name in KEPT_OUT:
            raise RenderError(f"{name} is made elsewhere: write it into {self._folder / name}")
        for each in PAIR if name in PAIR else (name,):
            if self._given.get(each):
                raise RenderError(f"take {each} out of .env first: its file counts")

    def _keep_reading(self, old: str) -> None:
        if "," in old:
            raise RenderError("SECRET_KEY has a comma, so it cannot become a fallback: wait for a pause")
        path = self._folder / FALLBACKS
        write(path, ",".join([old, *filter(None, path.read_text().strip().split(","))]))


def password_of(user: str) -> str:
    """Return the name of the password of a user of the broker."""
    return f"{user.upper().replace('-', '_')}_PASSWORD"


def _newest_first(keys: str) -> str:
    """Return the keys with one in front that was announced, or else with a new one."""
    entries = _entries(keys)
    newest = max(range(len(entries)), key=lambda place: _number(entries[place]))
    if newest and _number(entries[newest]):
        return ",".join([entries[newest], *entries[:newest], *entries[newest + 1 :]])
    return ",".join([_next(entries), *entries])


def _next(entries: list[str]) -> str:
    return f"k{max(map(_number, entries), default=0) + 1}:{_key()}"


def _entries(keys: str) -> list[str]:
    return [entry.strip() for entry in keys.split(",") if entry.strip()]


def _number(entry: str) -> int:
    match = re.match(r"k(\d+):", entry)
    return int(match[1]) if match else 0
