"""A file of hashed requirements, read before pip reads it, so that an error says what to change in it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from models_registry.core.registry_errors import EnvironmentRefusedError

REQUIREMENTS = "requirements.txt"  # of a model's folder
# Where packages come from is the operator's choice: a hash decides what is installed.
OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")
ADVICE = (
    "name your libraries in requirements.in, then run `uv pip compile --generate-hashes requirements.in"
    " -o requirements.txt`, or pip-compile with the same words"
)


@dataclass(frozen=True)
class PinnedLibrary:
    """One library at one version."""

    name: str
    version: str


def pinned(text: str) -> list[PinnedLibrary]:
    """Return the libraries of a file of requirements; EnvironmentRefusedError for a line of another kind."""
    return [_pin(line) for line in _lines(text) if not line.startswith(OPTIONS)]


def names_libraries(file: Path) -> bool:
    """Return whether the file is there and holds more than comments."""
    return file.is_file() and bool(_lines(file.read_text("utf-8", "replace")))


def without(text: str, names: Container[str]) -> str:
    """Return a file of requirements that `pinned` has read, without the libraries of these names."""
    rest = [line for line in _lines(text) if line.startswith(OPTIONS) or _pin(line).name not in names]
    return "".join(f"{line}\n" for line in rest)


def _lines(text: str) -> list[str]:
    lines = text.replace("\\\n", " ").splitlines()
    bare = (line.partition(" #")[0].strip() for line in lines if not line.lstrip().startswith("#"))
    return [line for line in bare if line]


def _pin(line: str) -> PinnedLibrary:
    words, _, hashes = line.partition("--hash=")
    try:
        requirement = Requirement(words.strip())
    except InvalidRequirement:
        raise EnvironmentRefusedError(f"{line!r} is no `name==version --hash=sha256:…`: {ADVICE}.") from None
    pins = [
        clause for clause in requirement.specifier if clause.operator == "==" and "*" not in clause.version
    ]
    if requirement.url or len(requirement.specifier) != 1 or not pins:
        raise EnvironmentRefusedError(f"{requirement.name} is pinned to no version by `==`: {ADVICE}.")
    if not hashes:
        raise EnvironmentRefusedError(f"{requirement.name} has no `--hash=sha256:…`: {ADVICE}.")
    return PinnedLibrary(canonicalize_name(requirement.name), pins[0].version)
