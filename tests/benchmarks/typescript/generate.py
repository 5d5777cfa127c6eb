"""The types that openapi-typescript makes of a running stack's description, and an app that calls by them.

npm installs the pinned packages into a folder that is deleted afterwards. Without node it only says so.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most

HERE = Path(__file__).parent
KEPT = ("package.json", "package-lock.json", "tsconfig.json", "app.ts")
CALLS = 7


def measure() -> Iterator[Figure]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        yield Figure("types and an app in TypeScript", "NOT RUN: node and npm are not on the PATH")
        return
    with (
        TemporaryDirectory() as folder,
        bed("typescript", ("web", "stream", "relay", "gpu-worker-0")) as ground,
    ):
        home = Path(folder)
        for name in KEPT:
            shutil.copy(HERE / name, home)
        yield from _figures(home, ground)


def _figures(home: Path, ground: Bed) -> Iterator[Figure]:
    info = ground.stack.info
    _run(home, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    (home / "openapi.json").write_bytes(ground.http.get("/api/v1/openapi.json").raise_for_status().content)
    options = ("-o", "api.d.ts", "--default-non-nullable", "false")
    _run(home, "npx", "--no-install", "openapi-typescript", "openapi.json", *options)
    errors = _run(home, "npx", "--no-install", "tsc", check=False).stdout
    yield at_most("errors of tsc --strict", errors.count("error TS"), 0)
    said = _run(home, "node", "out/app.js", info["api"], info["token"], check=False)
    right = said.stdout.count("right: ")
    yield Figure(
        "calls of the app that were answered right", str(right), f"{CALLS} of {CALLS}", right == CALLS
    )
    if errors or said.returncode or right < CALLS:
        print(errors, said.stdout, said.stderr)


def _run(home: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=home, check=check, capture_output=True, text=True)
