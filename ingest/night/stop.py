"""The wish that a night end early, or the service of nights: a Stop that a whole night listens to.

What is fetched in the night has a Stop of its own: a vendor that is away ends the fetching, and not the night. It
knows nothing of what a night does.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ingest.stop import Stop

T = TypeVar("T")


class NightStop(Stop):
    """Ask once, heard by the night and by the fetching in it."""

    def __init__(self) -> None:
        super().__init__()
        self._fetching = Stop()

    def request(self, why: str) -> None:
        """Ask the night to end; the first reason stays."""
        super().request(why)
        self._fetching.request(why)

    def of_fetching(self) -> Stop:
        """Return a fresh Stop for one fetching: it hears this one, and asking it alone does not end the night."""
        self._fetching = Stop()
        if self.why is not None:
            self._fetching.request(self.why)
        return self._fetching

    async def unless_asked(self, job: Coroutine[Any, Any, T]) -> T:
        """Return what a job returns, or cancel it and raise StopRequested as soon as somebody asks to stop."""
        working, asked = asyncio.ensure_future(job), asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                self.check()
            return working.result()
        finally:
            working.cancel()
            asked.cancel()
            await asyncio.gather(working, asked, return_exceptions=True)
