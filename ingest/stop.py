"""The wish that a run end early: a signal, a refused key, or a vendor that is away.

Whoever waits stops waiting at once; whoever has a request on the wire finishes and archives it first. It knows
nothing of requests.
"""

import asyncio


class StopRequested(Exception):
    """Raised where a run would wait or send; not an error, and never shown."""


class Stop:
    """Ask once, heard everywhere. `why` is None until somebody asked."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.why: str | None = None

    def request(self, why: str) -> None:
        """Ask the run to end; the first reason stays."""
        if self.why is None:
            self.why = why
        self._event.set()

    def check(self) -> None:
        """Raise StopRequested if somebody asked to stop."""
        if self._event.is_set():
            raise StopRequested(self.why)

    async def sleep(self, seconds: float) -> None:
        """Sleep, or raise StopRequested as soon as somebody asks to stop."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return
        self.check()
