"""A job's version changes in few places only: rerouting, a replay, an edit, and the steps of cascades."""

from __future__ import annotations

import re
from pathlib import Path

import jobs

UPDATE = re.compile(r"UPDATE\s+jobs_job\b(?P<set>.*?)(?:\bWHERE\b|\bRETURNING\b|\"\"\"|\"\n)", re.DOTALL)
PLACES = {
    "services/lifecycle/rerouting/reroute.py",
    "services/lifecycle/replay.py",
    "services/lifecycle/cascading/escalate.py",
    "services/lifecycle/cascading/degrade.py",
    "services/dead_letters/edit.py",
}


def test_no_other_statement_gives_an_admitted_job_another_version() -> None:
    root = Path(jobs.__path__[0])
    files = [path for path in root.rglob("*.py") if "migrations" not in path.parts]
    assert {
        str(path.relative_to(root))
        for path in files
        for update in UPDATE.finditer(path.read_text())
        if re.search(r"\bversion_id\s*=", update["set"])
    } == PLACES
