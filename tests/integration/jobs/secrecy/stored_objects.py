"""The objects in the storage and the rows that point at them, read without the site's own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from jobs.core.payloads.pointer import MARK, PayloadPointer, pointer_of
from jobs.models import JobInput


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def content(folder: Path) -> bytes:
    return b"\n".join((folder / name).read_bytes() for name in names(folder))


def pointer(job_id: Any, rows: Any = JobInput) -> PayloadPointer:
    return pointer_of(bytes(rows.objects.get(pk=job_id).body))


def point(job_id: Any, target: PayloadPointer, rows: Any = JobInput) -> None:
    rows.objects.filter(pk=job_id).update(body=MARK + msgspec.json.encode(target))


def aged(folder: Path, job_id: Any, rows: Any = JobInput) -> PayloadPointer:
    """Move a row's objects to a day long ago, and return the row's new pointer to them."""
    before = pointer(job_id, rows)
    files = tuple(msgspec.structs.replace(file, name=backdate(folder, file.name)) for file in before.files)
    after = msgspec.structs.replace(before, name=backdate(folder, before.name), files=files)
    point(job_id, after, rows)
    return after


def backdate(folder: Path, name: str) -> str:
    """Move an object to a day long ago and return its name there."""
    old = f"2020-01-01/{name.partition('/')[2]}"
    (folder / old).parent.mkdir(exist_ok=True)
    (folder / name).rename(folder / old)
    return old
