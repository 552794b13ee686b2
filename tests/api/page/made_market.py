"""A market made of a seed, for the page where no real one is at hand: the same days, nights and ledger, other prices.

It is also what the README's pictures show. It knows no page.
"""

import datetime as dt
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from archive.payload import Request, Response
from ingest import endpoints
from tests.api.page.nights import LAST, LAST_NIGHT, NIGHT_BEFORE, Night, live_through
from tests.fake_polygon import ADVANCED, SyntheticMarket, Vendor
from tests.payloads import respond

SEED = 7
FIRST, BACKFILLED_TO = dt.date(2015, 1, 2), dt.date(2018, 3, 9)
KILLED_IN = dt.datetime(2018, 3, 21, 6, 0, tzinfo=dt.UTC)
NOT_GOT = "MSFT"
_KEY = "made-market"
_ASKED_AGAIN = dt.timedelta(days=3)


async def fill(ingest: asyncpg.Pool, project: asyncpg.Pool) -> None:
    """Archive the market in a fresh warehouse, night after night, and project it."""
    market = SyntheticMarket(SEED, first=FIRST, last=LAST)
    backfill = Night("backfill", _morning_after(BACKFILLED_TO), tuple(_backfill(market)), took=dt.timedelta(minutes=7))
    nights = [_night(market, session) for session in market.sessions if session > BACKFILLED_TO]
    await live_through([backfill, *nights], ingest, project)


def _backfill(market: SyntheticMarket) -> Iterator[Response]:
    asked = [endpoints.range_bars(symbol, FIRST, BACKFILLED_TO) for symbol in market.symbols()]
    asked += [endpoints.splits(None), endpoints.dividends(None)]
    asked += [endpoints.tickers(None, active=active) for active in (True, False)]
    yield from _answers(market, asked, _morning_after(BACKFILLED_TO))


def _night(market: SyntheticMarket, session: dt.date) -> Night:
    """Return the night after a session: it asks for the last days again, for what was restated meanwhile."""
    at = _morning_after(session)
    if at == KILLED_IN:
        return Night("nightly", at, (), killed=True)
    failed = {NOT_GOT: "429 Too Many Requests"} if at == NIGHT_BEFORE else {}
    asked = [
        endpoints.range_bars(symbol, session - _ASKED_AGAIN, session)
        for symbol in market.symbols()
        if symbol not in failed
    ]
    return Night("nightly", at, tuple(_answers(market, asked, at)), failed)


def _morning_after(session: dt.date) -> dt.datetime:
    return dt.datetime.combine(session + dt.timedelta(days=1), LAST_NIGHT.timetz())


def _answers(market: SyntheticMarket, asked: list[Request], at: dt.datetime) -> Iterator[Response]:
    vendor = Vendor(market, key=_KEY, plan=ADVANCED, clock=lambda: at, base="https://api.massive.com", seed=SEED)
    for request in asked:
        parts = urlsplit(request.target)
        reply = vendor.answer(parts.path, dict(parse_qsl(parts.query)), f"Bearer {_KEY}")
        yield respond(request, reply.body.plain(reply.end), status=reply.status, fetched_at=at)
