"""The client's own rate limit, and the pause that all workers share when the vendor asks for one.

The limit is a sliding minute: never more than so many requests in any 61 seconds (one more than the vendor's minute,
for requests that travel faster than those before them). It knows nothing of what is sent.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

_LOG = logging.getLogger("ingest")
_WINDOW_S = 61.0
# "Unlimited" plans ask to stay under 100 requests a second, so no limit but 0 lets a burst be faster than this.
_APART_S = 1 / 95


class Limiter:
    """Gives out turns in the order in which they were asked for.

    `per_minute` 0 sets no limit; pauses are kept all the same. `waited_s` is how long turns were held back in all.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.waited_s = 0.0
        self._sent: deque[float] = deque(maxlen=per_minute)
        self._per_minute = per_minute
        self._paused_until = 0.0
        self._clock, self._sleep = clock, sleep
        self._turn = asyncio.Lock()

    def remember(self, ages_s: Iterable[float]) -> None:
        """Count requests that an earlier run sent so many seconds ago."""
        now = self._clock()
        self._sent.extend(sorted(now - age for age in ages_s if 0 <= age < _WINDOW_S))

    async def turn(self) -> None:
        """Return when the next request may be sent."""
        async with self._turn:
            # A pause may have come while this turn slept, so it looks again.
            while (wait_s := self._wait_s()) > 0:
                await self._wait(wait_s)
            self._sent.append(self._clock())

    def pause(self, seconds: float, why: str) -> None:
        """Hold every turn back for that long from now."""
        now = self._clock()
        if now >= self._paused_until:
            _LOG.warning("ingest.paused", extra={"wait_s": round(seconds, 1), "caused_by": why})
        self._paused_until = max(self._paused_until, now + seconds)

    async def _wait(self, seconds: float) -> None:
        started = self._clock()
        try:
            await self._sleep(seconds)
        finally:
            self.waited_s += self._clock() - started

    def _wait_s(self) -> float:
        earliest = self._paused_until
        if self._sent:
            earliest = max(earliest, self._sent[-1] + _APART_S)
        if self._per_minute and len(self._sent) == self._per_minute:
            earliest = max(earliest, self._sent[0] + _WINDOW_S)
        return earliest - self._clock()
