"""Archives for the benches of the projection: made-up bars of made-up tickers as answers of the vendor, by a seed.

The bodies are what the vendor would send but for the form of its numbers (no exponents), so that making them costs
little. They are appended as any response is.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice, product
from string import ascii_uppercase
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import numpy as np
import numpy.typing as npt

from archive.append import append_responses
from archive.calendar import exchange_calendar
from archive.payload import Endpoint, Request, Response, Transfer

LAST = dt.date(2026, 1, 28)
_FIRST = dt.date(1990, 1, 2)
_MOST_TICKERS = 11_000
_STEP = 26**4 // _MOST_TICKERS
_NEW_YORK = ZoneInfo("America/New_York")
_RUN_ID = uuid.UUID("00000000-0000-4000-8000-0000000000be")
_HEADERS = [("Content-Type", "application/json")]
_AT_ONCE = 16

_Table = npt.NDArray[np.float64]


class _Bar(msgspec.Struct, gc=False, omit_defaults=True):
    v: float
    vw: float
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    t: int
    n: int
    T: str = ""


class _Envelope(msgspec.Struct, omit_defaults=True):
    results: list[_Bar]
    queryCount: int
    ticker: str = ""
    adjusted: bool | None = False
    status: str | None = "OK"


class Market:
    """A random walk of so many tickers over the last so many sessions up to LAST."""

    def __init__(self, tickers: int, sessions: int, seed: int = 20) -> None:
        if tickers > _MOST_TICKERS:
            raise ValueError(f"{tickers} tickers; {_MOST_TICKERS} is the most")
        chance = np.random.default_rng(seed)
        names = islice(product(ascii_uppercase, repeat=4), 0, None, _STEP)
        self.tickers = ["".join(letters) for letters in islice(names, tickers)]
        self.sessions = exchange_calendar().between(_FIRST, LAST)[-sessions:]
        self._closes = chance.uniform(5, 400, tickers) * np.exp(
            np.cumsum(chance.normal(0, 0.02, (sessions, tickers)), axis=0)
        )
        self._sizes = chance.lognormal(12, 2, tickers)
        self._seeds = chance.integers(2**63, size=sessions)

    def days(self) -> Iterator[Response]:
        """Yield the answers to a request for the whole market, a session each."""
        for place, session in enumerate(self.sessions):
            rows = _rows(self._day(place), [_t_ms(session, 16)] * len(self.tickers), self.tickers)
            target = f"/v2/aggs/grouped/locale/us/market/stocks/{session}?adjusted=false"
            yield _response(Request(Endpoint.GROUPED, target, None, session, session), rows)

    def ranges(self) -> Iterator[Response]:
        """Yield the answers to a request for all sessions, a ticker each."""
        first, last = self.sessions[0], self.sessions[-1]
        whole = np.stack([self._day(place) for place in range(len(self.sessions))], axis=-1)
        t_ms = [_t_ms(session, 0) for session in self.sessions]
        for place, ticker in enumerate(self.tickers):
            target = f"/v2/aggs/ticker/{ticker}/range/1/day/{first}/{last}?adjusted=false&limit=50000&sort=asc"
            rows = _rows(whole[:, place], t_ms, [""] * len(t_ms))
            yield _response(Request(Endpoint.RANGE, target, ticker, first, last), rows)

    def _day(self, place: int) -> _Table:
        """Return one session as the seven columns of the wire, in the order of `_Bar`."""
        chance = np.random.default_rng(int(self._seeds[place]))
        count = len(self.tickers)
        close = self._closes[place]
        opened = self._closes[max(place - 1, 0)] * (1 + chance.normal(0, 0.005, count))
        spread = 1 + np.abs(chance.normal(0, 0.01, (2, count)))
        high, low = np.maximum(opened, close) * spread[0], np.minimum(opened, close) / spread[1]
        volume = np.floor(self._sizes * chance.lognormal(0, 0.4, count))
        vwap = np.round((high + low + close) / 3, 4)
        prices = [np.round(price, 2) for price in (opened, close, high, low)]
        return np.stack([volume, vwap, *prices, np.floor(volume / 90) + 1])


def _rows(columns: _Table, t_ms: list[int], names: list[str]) -> list[_Bar]:
    *values, trades = columns.tolist()
    return [_Bar(*row) for row in zip(*values, t_ms, map(int, trades), names, strict=True)]


def _response(request: Request, rows: list[_Bar]) -> Response:
    body = msgspec.json.encode(_Envelope(rows, len(rows), request.ticker or ""))
    return Response("polygon", request, _fetched_at(request), 200, _HEADERS, Transfer.COMPLETE, body)


def _fetched_at(request: Request) -> dt.datetime:
    assert request.to_date
    return dt.datetime.combine(request.to_date, dt.time(23, 30), dt.UTC)


def _t_ms(session: dt.date, hour: int) -> int:
    return int(dt.datetime(session.year, session.month, session.day, hour, tzinfo=_NEW_YORK).timestamp() * 1000)


async def archive_all(pool: asyncpg.Pool, responses: Iterable[Response]) -> None:
    """Append responses in their order, packing some while others are flushed."""
    waiting = iter(responses)
    under_way: asyncio.Task[list[int]] | None = None
    while batch := await asyncio.to_thread(lambda: list(islice(waiting, _AT_ONCE))):
        if under_way:
            await under_way
        under_way = asyncio.create_task(append_responses(pool, _RUN_ID, batch))
    if under_way:
        await under_way
