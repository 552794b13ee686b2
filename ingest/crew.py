"""The crew that works through a plan: several steps at once, each to its end, each end noted.

The first step goes alone, so that a refused key costs one request. What goes wrong with one step does not stop the
others; a refused key, or a vendor that is away, stops them all. It knows no database and no command line.
"""

import asyncio
import datetime as dt
import logging
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence

from archive.payload import Endpoint, Request
from ingest.endpoints import older_routes, range_bars
from ingest.errors import (
    BeyondPlan,
    FetchError,
    InvalidKey,
    NotAnAnswer,
    NotEntitled,
    NotFound,
    NotYet,
    VendorUnavailable,
    subject_of,
)
from ingest.fetch import Fetcher
from ingest.pages import Pages, fetch_pages
from ingest.plan import Step
from ingest.report import Ending, StepOutcome
from ingest.stop import Stop, StopRequested

_LOG = logging.getLogger("ingest")
# So many steps in a row without an answer, each asked several times: the vendor is away, or is no vendor.
_AWAY_AFTER = 10
_SHORTENED_AT_MOST = 2


class Crew:
    """Works through steps. `refusal` is set when the vendor refused the key."""

    def __init__(self, fetcher: Fetcher, stop: Stop, sessions: Sequence[dt.date], on_done: Callable[[], None]) -> None:
        self.refusal: InvalidKey | None = None
        self._fetcher, self._stop, self._on_done = fetcher, stop, on_done
        self._sessions = sessions
        self._newest = sessions[-1] if sessions else dt.date.min
        self._unanswered = 0

    async def work(self, steps: Sequence[Step], concurrency: int) -> list[StepOutcome]:
        """Return how each step ended, in the order of the steps."""
        outcomes: dict[int, StepOutcome] = {}
        waiting = deque(enumerate(steps))

        async def worker(most: int | None = None) -> None:
            while waiting and most != len(outcomes):
                place, step = waiting.popleft()
                outcomes[place] = await self._do(step.request)
                if outcomes[place].ending is not Ending.NOT_TRIED:
                    self._on_done()

        await worker(most=1)
        async with asyncio.TaskGroup() as crew:
            for _ in range(concurrency):
                crew.create_task(worker())
        return [outcomes[place] for place in range(len(steps))]

    async def _do(self, request: Request) -> StepOutcome:
        try:
            self._stop.check()
            pages = await self._fetch(request)
        except StopRequested as exc:
            return _outcome(request, Ending.NOT_TRIED, f"not tried: the run was stopped by {exc}")
        except NotYet as exc:
            return _outcome(request, Ending.NOT_YET, exc.why)
        except (BeyondPlan, NotEntitled) as exc:
            # Nothing that another night could mend; but without splits and dividends no price can be adjusted.
            failed = request.endpoint in (Endpoint.SPLITS, Endpoint.DIVIDENDS)
            return _outcome(request, Ending.FAILED if failed else Ending.BEYOND_PLAN, exc.why)
        except FetchError as exc:
            self._note_failure(exc)
            return _outcome(request, Ending.FAILED, exc.why)
        self._unanswered = 0
        return StepOutcome(
            subject=subject_of(request),
            endpoint=request.endpoint.value,
            ending=Ending.ANSWERED if pages.row_count else Ending.EMPTY,
            pages=pages.pages,
            row_count=pages.row_count,
            first_session=pages.first_session,
            last_session=pages.last_session,
            left_out=self._left_out(request, pages),
        )

    def _left_out(self, request: Request, pages: Pages) -> int:
        """Return of how many sessions before the first row and after the last the vendor said nothing."""
        asked = _sessions_of(request, self._sessions)
        if pages.first_session is None or pages.last_session is None:
            return 0
        left_out = len(asked) - len(_between(pages.first_session, pages.last_session, asked))
        if left_out:
            facts = {"ticker": request.ticker, "left_out": left_out, "asked": len(asked)}
            facts |= {"first": str(pages.first_session), "last": str(pages.last_session)}
            _LOG.info("ingest.range_cut_short", extra=facts)
        return left_out

    async def _fetch(self, request: Request) -> Pages:
        shortened = 0
        while True:
            asked = self._out_by_now(request)
            try:
                return await fetch_pages(self._fetcher, asked)
            except NotYet:
                if shortened == _SHORTENED_AT_MOST or not self._shorten(asked):
                    raise
                shortened += 1
            except NotFound:
                older = older_routes(request)
                if not older:
                    raise
                return _together([await fetch_pages(self._fetcher, each) for each in older])

    def _out_by_now(self, request: Request) -> Request:
        """Return a request for bars without the sessions that the vendor said are not out yet."""
        first, last = request.from_date, request.to_date
        if request.endpoint is not Endpoint.RANGE or first is None or last is None or request.ticker is None:
            return request
        if first > self._newest:
            raise NotYet(request, f"the vendor's newest session is {self._newest}")
        return request if last <= self._newest else range_bars(request.ticker, first, self._newest)

    def _shorten(self, asked: Request) -> bool:
        """Note that a range ends on a session that is not out yet; tell whether a shorter one can be asked for."""
        if asked.endpoint is not Endpoint.RANGE or asked.from_date is None or asked.to_date is None:
            return False
        before = [session for session in self._sessions if session < asked.to_date]
        if not before or before[-1] < asked.from_date:
            return False
        if before[-1] < self._newest:
            self._newest = before[-1]
            _LOG.warning("ingest.not_yet", extra={"session": str(asked.to_date), "newest": str(self._newest)})
        return True

    def _note_failure(self, exc: FetchError) -> None:
        if isinstance(exc, InvalidKey):
            self.refusal = exc
            return
        _LOG.warning("ingest.step_failed", extra={"subject": subject_of(exc.request), "caused_by": exc.why})
        self._unanswered += isinstance(exc, VendorUnavailable | NotAnAnswer)
        if self._unanswered >= _AWAY_AFTER:
            self._stop.request(f"{_AWAY_AFTER} requests in a row without an answer")


def _sessions_of(request: Request, sessions: Sequence[dt.date]) -> Sequence[dt.date]:
    """Return the sessions that a request for bars asks for."""
    first, last = request.from_date, request.to_date
    return () if first is None or last is None else _between(first, last, sessions)


def _between(first: dt.date, last: dt.date, sessions: Sequence[dt.date]) -> Sequence[dt.date]:
    return sessions[bisect_left(sessions, first) : bisect_right(sessions, last)]


def _outcome(request: Request, ending: Ending, why: str) -> StepOutcome:
    return StepOutcome(subject_of(request), request.endpoint.value, ending, why=why)


def _together(parts: Sequence[Pages]) -> Pages:
    return Pages(
        pages=sum(part.pages for part in parts),
        row_count=sum(part.row_count for part in parts),
        first_session=min((part.first_session for part in parts if part.first_session), default=None),
        last_session=max((part.last_session for part in parts if part.last_session), default=None),
    )
