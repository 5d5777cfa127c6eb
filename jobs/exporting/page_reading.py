"""What a page of metrics reads of the database, in one session."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import psycopg

from jobs.db.connections import connect
from jobs.db.session_settings import Use
from jobs.services.admission.survey_reads import SurveyedQueue, read_survey
from jobs.services.drift.drift_figures import DriftFigure, read_drift
from jobs.services.flags.flag_views import ExpiredFlag, read_expired_flags
from jobs.services.reads.server_copies import ServerCopies, copies_of
from jobs.services.rollouts.rollout_figures import RolloutFigures, read_figures
from jobs.services.shadow.shadow_figures import ShadowFigures, read_shadows

log = logging.getLogger(__name__)
Session: TypeAlias = psycopg.Connection[Any]
Read = TypeVar("Read")
Other = TypeVar("Other")


class PageReading(NamedTuple):
    """The last count of the queues, live roll-outs, shadows, drift, expired flags, and the database's copies.

    The copies are None where the database does not say.
    """

    queues: Sequence[SurveyedQueue] = ()
    rollouts: Sequence[RolloutFigures] = ()
    shadows: Sequence[ShadowFigures] = ()
    drift: Sequence[DriftFigure] = ()
    flags: Sequence[ExpiredFlag] = ()
    copies: ServerCopies | None = None


def read_page() -> PageReading:
    """Read all that a page shows; psycopg.Error where the last count cannot be read.

    What else cannot be read, because its table is locked or this is another make of a database, is left out.
    The connection is closed again, because between two pages it would be idle for many seconds.
    """
    with connect("metrics", Use.PAGE, direct=True) as session:
        return PageReading(
            read_survey(session),
            read_or(session, read_figures, ()),
            read_or(session, read_shadows, ()),
            read_or(session, read_drift, ()),
            read_or(session, read_expired_flags, ()),
            read_or(session, copies_of, None),
        )


def read_or(session: Session, read: Callable[[Session], Read], otherwise: Other) -> Read | Other:
    """Return what a read returns, or `otherwise` where the database refuses it."""
    try:
        return read(session)
    except psycopg.Error as error:
        log.debug("%s could not be read: %s", read.__name__, error)
        return otherwise
