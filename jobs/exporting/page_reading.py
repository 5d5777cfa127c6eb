"""What a page of metrics reads of the database, in one session."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

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
    """Read all that a page shows; psycopg.Error.

    The connection is closed again, because between two pages it would be idle for many seconds.
    """
    with connect("metrics", Use.PAGE, direct=True) as session:
        return PageReading(
            read_survey(session),
            read_figures(session),
            read_shadows(session),
            read_drift(session),
            read_expired_flags(session),
            copies_or_none(session),
        )


def copies_or_none(session: psycopg.Connection[Any]) -> ServerCopies | None:
    """Return None where the database, maybe another make of it, does not say: the rest is shown."""
    try:
        return copies_of(session)
    except psycopg.Error as error:
        log.debug("the archive and the standbys cannot be read: %s", error)
        return None
