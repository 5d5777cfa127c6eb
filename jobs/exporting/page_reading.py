"""What a page of metrics reads of the database, in one session."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import psycopg

from jobs.db.connections import connect
from jobs.db.session_settings import Use
from jobs.services.admission.survey_reads import read_survey
from jobs.services.drift.drift_figures import read_drift
from jobs.services.flags.flag_views import read_expired_flags
from jobs.services.reads.server_copies import copies_of
from jobs.services.rollouts.rollout_figures import read_figures
from jobs.services.shadow.shadow_figures import read_shadows

log = logging.getLogger(__name__)
Session: TypeAlias = psycopg.Connection[Any]
QUEUES: Final = "queues"
# Each is read by itself: its table may be locked, or this is another make of database.
PARTS: Final[Mapping[str, Callable[[Session], Any]]] = {
    "rollouts": read_figures,
    "shadows": read_shadows,
    "drift": read_drift,
    "flags": read_expired_flags,
    "copies": copies_of,
}


class PagePart(NamedTuple):
    """A part of a page by its name, and what was read of it."""

    part: str
    read: Any


def read_page() -> Iterator[PagePart]:
    """Yield the last count of the queues, then each other part that can be read, as soon as it is.

    psycopg.Error where the count cannot be read. The connection is closed again, because between two pages it
    would be idle for many seconds.
    """
    with connect("metrics", Use.PAGE, direct=True) as session:
        yield PagePart(QUEUES, read_survey(session))
        yield from read_parts(session)


def read_parts(session: Session) -> Iterator[PagePart]:
    """Yield the parts beside the queues, without those that the database refuses."""
    for part, read in PARTS.items():
        try:
            yield PagePart(part, read(session))
        except psycopg.Error as error:
            log.debug("the part %s of a page of metrics could not be read: %s", part, error)
