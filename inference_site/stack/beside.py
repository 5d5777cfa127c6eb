"""The settings of a stack that is up, for `manage.py` in another terminal that gives none."""

import json
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from inference_site.stack.private_files import write_private
from inference_site.stack.supervisor_lock import held

FILE = "settings.json"
RUN_DIR = Path(__file__).resolve().parents[2] / ".run"
# What decides which stack a process belongs to; a process that has all three needs nothing of ours.
DECISIVE = ("DATABASE_URL", "BROKER_URL", "SECRET_KEY")


def write_settings(run_dir: Path, *, ours: Mapping[str, str]) -> None:
    """Let other terminals have these settings of the stack, mode 0600."""
    write_private(run_dir / FILE, json.dumps(dict(ours), indent=1) + "\n")


def use_settings(environ: MutableMapping[str, str], run_dir: Path = RUN_DIR) -> None:
    """Add the settings of the stack that is up to `environ`, unless it names other servers or keys; say so.

    Settings that are given remain as they are.
    """
    if any(environ.get(f"{name}_FILE", "").strip() for name in DECISIVE):
        return  # a deployment's own
    given = {name for name in DECISIVE if environ.get(name, "").strip()}
    if given == {*DECISIVE} or not held(run_dir):
        return
    try:
        settings: dict[str, str] = json.loads((run_dir / FILE).read_text())
    except (FileNotFoundError, ValueError):
        return
    if others := sorted(name for name in given if environ[name].strip() != settings.get(name)):
        _say(f"{', '.join(others)} is not that of the stack in {run_dir}, whose settings are not used")
        return
    environ.update({name: value for name, value in settings.items() if not environ.get(name, "").strip()})
    _say(f"the settings are those of the stack in {run_dir}")


def _say(text: str) -> None:
    print(f"manage.py: {text}", file=sys.stderr)
