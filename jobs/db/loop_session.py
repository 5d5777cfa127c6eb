"""A connection of an event loop for statements that change rows; the same rules as on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg

from jobs.core.errors import UnavailableError
from jobs.db import connections
from jobs.db.session_settings import Use
from jobs.db.troubles import AGAIN, BROKEN, trouble_of

Result = TypeVar("Result")
Session = psycopg.AsyncConnection[Any]
CONNECT_S = 10.0


class LoopSession:
    """One autocommit connection, opened with the first work and again where it was lost."""

    def __init__(self, name: str, use: Use = Use.WEB) -> None:
        """Prepare to connect under the application name `name`."""
        self._name, self._use = name, use
        self._session: Session | None = None

    async def once_more(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        """Do work that is safe to do twice, as `statement.once_more` does on a thread; UnavailableError."""
        try:
            return await self._once(work)
        except psycopg.Error as error:
            trouble = trouble_of(error)
            if trouble is None:
                raise
            if trouble not in AGAIN:
                raise UnavailableError("The database cannot take this request now.") from error
        try:
            return await self._once(work)
        except psycopg.Error as error:
            if trouble_of(error) is None:
                raise
            raise UnavailableError("The database does not answer.") from error

    async def close(self) -> None:
        """Close the connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _once(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        session = self._session
        if session is None or session.closed:
            session = self._session = await self._opened()
        try:
            return await work(session)
        except psycopg.Error as error:
            if trouble_of(error) in BROKEN:
                await self.close()
            raise

    async def _opened(self) -> Session:
        session: Session | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                session = await psycopg.AsyncConnection.connect(
                    **connections.options(self._name), autocommit=True
                )
                await connections.pin_async(session, use=self._use)
        except BaseException as error:
            if session is not None:
                await session.close()
            if isinstance(error, TimeoutError):
                raise psycopg.OperationalError("no connection in time") from error
            raise
        session.prepare_threshold = 0 if connections.prepares() else None
        return session
