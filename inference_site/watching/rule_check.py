"""`python -m inference_site.watching.rule_check`: promtool reads the configuration, and tests the rules.

It fails only where promtool finds something wrong. Where promtool cannot be had it says so, and checks
nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from inference_site.stack.stack_errors import StackError
from inference_site.watching.prometheus_tools import PROJECT, find_tool

FOLDER = PROJECT / "compose" / "prometheus"
RENDER = PROJECT / "compose" / "render.py"
BANNER = "!" * 100


def main(folder: Path = FOLDER) -> int:
    """Check what lies in the folder; return 1 if something is wrong."""
    try:
        promtool = find_tool("promtool")
    except StackError as error:
        print(f"{BANNER}\nThe rules of compose/prometheus were NOT checked: {error}\n{BANNER}")  # noqa: T201
        return 0
    with TemporaryDirectory() as scratch:
        wrong = [*filter(None, (complaint(promtool, words) for words in checks(folder, Path(scratch))))]
    print(*wrong or ["Rules and configuration of Prometheus: checked and tested."], sep="\n")  # noqa: T201
    return min(1, len(wrong))


def checks(folder: Path, scratch: Path) -> Iterator[tuple[str, ...]]:
    """Yield the words after `promtool` of each check, with the configuration rendered in `scratch`."""
    yield "check", "config", "--lint-fatal", str(rendered(scratch, folder / "rules"))
    yield "test", "rules", *map(str, sorted(folder.glob("tests/*.yaml")))


def rendered(scratch: Path, rules: Path) -> Path:
    """Return Prometheus' configuration as compose/render.py writes it, with the rules of a folder."""
    site = "API_URL=https://api.example\nSTREAM_URL=https://stream.example\nALLOWED_HOSTS=api.example\n"
    (scratch / ".env").write_text(f"{site}OWNERS=self\nPROMETHEUS_RULES={rules}\n")
    subprocess.run([sys.executable, RENDER, scratch], check=True)
    return scratch / "rendered/prometheus/prometheus.yaml"


def complaint(promtool: Path, words: tuple[str, ...]) -> str:
    """Run promtool; return what it printed if it found something wrong."""
    ran = subprocess.run([promtool, *words], capture_output=True, text=True, check=False)
    return (ran.stdout + ran.stderr).strip() if ran.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
