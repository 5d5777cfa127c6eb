"""Preparing a database before the programs start: tables, an admin, a token, the built-in models."""

import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inference_site.stack.leash import death_words
from inference_site.stack.private_files import secret, write_private
from inference_site.stack.specs import manage
from inference_site.stack.stack_errors import StartError

ADMIN = "admin"
CLIENT = "stack"


@dataclass(frozen=True)
class Credentials:
    """The admin's login and an API token of this stack."""

    admin_user: str = ""
    admin_password: str = ""
    token: str = ""


def login(run_dir: Path) -> str:
    """Return the admin's `user:password`, which never changes in a run directory."""
    return f"{ADMIN}:{secret(run_dir / 'admin-password')}"


def prepare(
    run_dir: Path,
    *,
    env: Mapping[str, str],
    project: Path,
    say: Callable[[str], None],
    superuser: Mapping[str, str],
    owner: Mapping[str, str],
) -> Credentials:
    """Migrate, then create the admin, the token, the models and the partitions; `say` each step.

    `superuser` and `owner` are the variables with which the database's roles are made, and used to migrate;
    empty for a database that is not ours.
    """
    run = _Commands(env, project)
    say("migrates the database")
    if superuser:
        run.now("database_roles", extra=superuser)
    run.now("migrate", "--verbosity", "0", extra=owner)
    say("registers the built-in models, and makes the admin, a token and partitions where they are missing")
    password = secret(run_dir / "admin-password")
    admin = run.later("createsuperuser", "--noinput", extra=_superuser(password))
    models = run.later("register_builtin_models")
    partitions = run.later("retention")
    token = _token(run_dir / "token", run)
    run.result(models)
    run.result(partitions)
    run.result(admin, forgiven="already taken")
    return Credentials(ADMIN, password, token)


def register_folders(
    folders: Iterable[Path], *, env: Mapping[str, str], project: Path, say: Callable[[str], None]
) -> None:
    """Register the models in these folders, and point their alias `default` at them."""
    run = _Commands(env, project)
    for folder in folders:
        say(run.now("register_model", str(folder), "--alias", "default").strip())


def _superuser(password: str) -> dict[str, str]:
    fields = {"USERNAME": ADMIN, "EMAIL": "admin@localhost", "PASSWORD": password}
    return {f"DJANGO_SUPERUSER_{key}": value for key, value in fields.items()}


def _token(path: Path, run: "_Commands") -> str:
    if not path.exists():
        write_private(path, run.now("create_token", CLIENT, "--never-expires", "--no-quotas").split()[-1])
    return path.read_text()


class _Commands:
    """Management commands, run one after another or at the same time."""

    def __init__(self, env: Mapping[str, str], project: Path) -> None:
        self.env, self.project = env, project

    def now(self, *words: str, extra: Mapping[str, str] | None = None) -> str:
        return self.result(self.later(*words, extra=extra))

    def later(self, *words: str, extra: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*death_words(signal.SIGKILL), *manage(*words)],
            env={**self.env, **(extra or {})},
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self, process: subprocess.Popen[str], *, forgiven: str | None = None) -> str:
        out, err = process.communicate()
        if process.returncode and not (forgiven and forgiven in out + err):
            raise StartError(f"{process.args!r} failed: {(out + err)[-2000:]}")
        return out
