"""Which versions a worker holds in memory, loads, or cannot load: rows written by the workers' pools."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now

from models_registry.models import LoadState, VersionLoad

REASON_CHARS = 2_000
LATE_RETRY_S, LONGEST_LATE_RETRY_S = 60.0, 3_600.0  # each such try ends the worker
ENDS_UNTIL_REST = 2
ENDED = "The worker's process ended while it loaded this version, {tries} tries in a row: look at its log."


def note_loading(*, node: str, version: int) -> None:
    """Note that the worker `node` begins to load the version."""
    _write(node, version, {"state": LoadState.LOADING, "tried_at": Now()})


def note_ready(*, node: str, version: int, memory_bytes: int, load_s: float) -> None:
    """Note that the worker `node` has the version in memory."""
    measured = {"memory_bytes": memory_bytes, "load_s": load_s}
    ready = {"state": LoadState.READY, "reason": "", "tries": 0, "next_try_at": None}
    _write(node, version, ready | measured)


def note_load_failure(*, node: str, version: int, reason: str, late: bool = False) -> None:
    """Note that the worker `node` could not load the version; later failures count, and renew the reason.

    After a `late` load, one that outlived its limit, the next worker of this name leaves it alone too, for
    longer each time.
    """
    text = reason[:REASON_CHARS].encode("utf-8", "replace").decode()
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # Postgres takes no NUL
    row = VersionLoad.objects.filter(node=node, version_id=version).first()
    before = row.tries if row else 0
    rest_s = _rest_s(before)
    failed = {"state": LoadState.FAILED, "reason": text, "tried_at": Now()}
    failed |= {"next_try_at": Now() + timedelta(seconds=rest_s) if late else None}
    _write(node, version, failed | {"tries": before + 1})


def forget_load(*, node: str, version: int) -> None:
    """Note that the version has left the worker's memory."""
    VersionLoad.objects.filter(node=node, version_id=version).delete()


def begin_loads(*, node: str) -> dict[int, tuple[float, str]]:
    """Forget what an earlier worker `node` held; return what is to be left alone, in seconds, and why.

    A version that was being loaded when the worker before ended, and the one before that, is left alone too:
    else one that ends its process would keep the worker's other models from ever being served.
    """
    mine = VersionLoad.objects.filter(node=node)
    kept = []
    for row in mine.filter(state=LoadState.LOADING):
        _note_end(row)
        kept.append(row.pk)
    mine.exclude(next_try_at__gt=Now()).exclude(pk__in=kept).delete()
    late = mine.filter(next_try_at__gt=Now())
    rows = late.annotate(rests=F("next_try_at") - Now()).values_list("version_id", "rests", "reason")
    return {version: (rests.total_seconds(), reason) for version, rests, reason in rows}


def _note_end(row: VersionLoad) -> None:
    """Note that the worker ended during this load; once may be chance, such as a restart."""
    tries = row.tries + 1
    ended: dict[str, object] = {"tries": tries}
    if tries >= ENDS_UNTIL_REST:
        ended |= {"state": LoadState.FAILED, "reason": ENDED.format(tries=tries), "since": Now()}
        ended["next_try_at"] = Now() + timedelta(seconds=_rest_s(tries - ENDS_UNTIL_REST))
    VersionLoad.objects.filter(pk=row.pk).update(**ended)


def _rest_s(before: int) -> float:
    return float(min(LATE_RETRY_S * 2.0 ** min(before, 10), LONGEST_LATE_RETRY_S))


def _write(node: str, version: int, values: dict[str, object]) -> None:
    """Write one row; a state begins where it is another one than before."""
    same = VersionLoad.objects.filter(node=node, version_id=version, state=values["state"])
    if not same.update(**values):
        VersionLoad.objects.update_or_create(
            node=node, version_id=version, defaults=values | {"since": Now()}
        )
