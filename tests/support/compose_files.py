"""The files of compose/, read as Docker Compose reads and merges them; and its program render.py."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from inference_site.stack.services import PROJECT

COMPOSE = PROJECT / "compose"
BASE = "compose.yaml"
OVERLAYS = ("gpu.yaml", "watching.yaml", "without-tls.yaml", "zones.yaml")
SITE = {
    "API_URL": "https://api.example", "STREAM_URL": "https://stream.example", "ALLOWED_HOSTS": "api.example",
    "OWNERS": "self",
}  # fmt: skip
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class _Reader(yaml.SafeLoader):
    """YAML with Compose's two tags."""


class Reset(dict[str, Any]):
    """What `!reset` and `!override` leave: this value alone, whatever the files before had."""


def _replaced(loader: _Reader, node: yaml.MappingNode) -> Reset:
    return Reset({str(key): value for key, value in loader.construct_mapping(node, deep=True).items()})


_Reader.add_constructor("!reset", _replaced)
_Reader.add_constructor("!override", _replaced)


def read(name: str) -> dict[str, Any]:
    """Return one file as it is."""
    whole: dict[str, Any] = yaml.load((COMPOSE / name).read_text(), _Reader)  # noqa: S506  # a safe loader
    return whole


def merged(*names: str) -> dict[str, Any]:
    """Return the base with overlays over it."""
    whole = read(BASE)
    for name in names:
        whole = _over(whole, read(name))
    return whole


def services(*names: str) -> dict[str, Any]:
    """Return the services of the base with overlays over it."""
    of_all: dict[str, Any] = merged(*names)["services"]
    return of_all


def _over(below: Any, above: Any) -> Any:
    if isinstance(above, Reset) or not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}


def filled(text: Any, values: Mapping[str, str]) -> str:
    """Return a value with its variables filled in; AssertionError for a required one that is missing."""

    def value(match: re.Match[str]) -> str:
        name, mark, rest = match.groups()
        if given := values.get(name):
            return given
        assert mark != "?", name
        return rest or ""

    return _VARIABLE.sub(value, str(text))


def variables() -> set[str]:
    """Return the names of all variables that the files read."""
    names = [BASE, *OVERLAYS]
    return {match[1] for name in names for match in _VARIABLE.finditer((COMPOSE / name).read_text())}


@contextmanager
def imported() -> Iterator[Any]:
    """Import render.py as a module, and give the process its mask and its path back afterwards."""
    before, path = os.umask(0o022), [*sys.path]
    os.umask(before)
    spec = importlib.util.spec_from_file_location("render", COMPOSE / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = path
        os.umask(before)


def write_env(folder: Path, values: Mapping[str, str]) -> None:
    """Write `.env`."""
    (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))


def render(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run render.py on a folder with an `.env`."""
    argv = [sys.executable, str(COMPOSE / "render.py"), str(folder), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)


def rendered(folder: Path, **values: str) -> Path:
    """Return what render.py makes of the site's values and others."""
    write_env(folder, SITE | values)
    ended = render(folder)
    assert ended.returncode == 0, ended.stderr
    return folder / "rendered"
