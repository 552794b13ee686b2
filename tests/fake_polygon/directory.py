"""The routes about securities and the exchange: ticker list, details, events, market status and holidays.

It must not know bars.

Source: recorded mocks of the official client for the order of keys; polygon.md §2.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time

import msgspec

from tests.fake_polygon.ask import Ask, Reply
from tests.fake_polygon.body import Body
from tests.fake_polygon.json_text import Json, json_text
from tests.fake_polygon.listing import Listing, Lists, Row
from tests.fake_polygon.market import Market, MarketHoliday, MarketTicker
from tests.fake_polygon.refusals import NO_DATA, Refusal
from tests.fake_polygon.sessions import NEW_YORK, closes_at, opens_at, sessions_between

_FIELDS = frozenset({"ticker", "type", "market", "active", "cik", "primary_exchange", "name"})
_TICKERS = Listing("/v3/reference/tickers", 100, 1000, "ticker", False, _FIELDS, counted=True)


class Directory:
    """Answers what is known of securities and of the exchange."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._lists = Lists()

    def tickers(self, ask: Ask) -> Reply:
        """Answer the list of tickers; only active ones unless `active=false` is asked for."""
        search = ask.query.get("search", "").lower()

        def rows() -> Iterator[Row]:
            for ticker in self._market.tickers():
                row = _row(ticker, ask.as_of)
                found = search in ticker.ticker.lower() or search in ticker.name.lower()
                exchange = ask.query.get("exchange", ticker.primary_exchange)
                if _listed_by(ticker, ask) and found and exchange == ticker.primary_exchange:
                    yield row

        # Like the vendor, whoever does not ask gets the active ones only.
        query = {"active": "true", **ask.query}
        return self._lists.page(
            msgspec.structs.replace(ask, query=query), _TICKERS, (self._market.edition(ask.as_of), ask.today), rows
        )

    def ticker(self, ask: Ask) -> Reply:
        """Answer what is known of one ticker."""
        ticker = self._ticker(ask)
        more = {
            "ticker_root": ticker.ticker,
            "list_date": None if ticker.list_date is None else str(ticker.list_date),
            "round_lot": 100,
        }
        row = {**_row(ticker, ask.as_of), **{name: value for name, value in more.items() if value is not None}}
        return _found(ask, row)

    def events(self, ask: Ask) -> Reply:
        """Answer the tickers a security has had, newest first."""
        ticker = self._ticker(ask)
        events: list[Json] = [
            {"ticker_change": {"ticker": event.ticker}, "type": "ticker_change", "date": str(event.day)}
            for event in self._market.events(ticker.ticker)
        ]
        about: dict[str, Json] = {"name": ticker.name, "composite_figi": ticker.composite_figi, "cik": ticker.cik}
        return _found(ask, {**{k: v for k, v in about.items() if v is not None}, "events": events})

    def status_now(self, ask: Ask) -> Reply:
        """Answer whether the market is open."""
        today, local = ask.today, ask.as_of.astimezone(NEW_YORK)
        trades = bool(sessions_between(today, today))
        is_open = trades and opens_at(today) <= ask.as_of < closes_at(today)
        early = trades and not is_open and time(4) <= local.time() < time(9, 30)
        after = trades and not is_open and ask.as_of >= closes_at(today) and local.time() < time(20)
        state = "open" if is_open else "extended-hours" if early or after else "closed"
        exchanges = dict.fromkeys(("nasdaq", "nyse", "otc"), state)
        answer: Mapping[str, Json] = {
            "afterHours": after,
            "currencies": {"crypto": "open", "fx": "open" if local.weekday() < 5 else "closed"},
            "earlyHours": early,
            "exchanges": exchanges,
            "market": state,
            "serverTime": local.isoformat(timespec="seconds"),
        }
        return _plain(ask, answer)

    def holidays(self, ask: Ask) -> Reply:
        """Answer the closures to come, a bare array with one row per exchange."""
        rows = [
            _holiday(holiday, exchange)
            for holiday in self._market.holidays(ask.today)
            for exchange in ("NYSE", "NASDAQ")
        ]
        return _plain(ask, rows)

    def _ticker(self, ask: Ask) -> MarketTicker:
        wanted = ask.names[0]
        for ticker in self._market.tickers():
            if wanted in (ticker.ticker, ticker.composite_figi) and _listed_by(ticker, ask):
                return ticker
        raise Refusal(404, NO_DATA)


def _listed_by(ticker: MarketTicker, ask: Ask) -> bool:
    return ticker.list_date is None or ticker.list_date <= ask.today


def _row(ticker: MarketTicker, as_of: datetime) -> Row:
    gone = ticker.delisted_utc is not None and ticker.delisted_utc <= as_of
    row: dict[str, Json] = {
        "ticker": ticker.ticker,
        "name": ticker.name,
        "market": "stocks",
        "locale": "us",
        "primary_exchange": ticker.primary_exchange,
        "type": ticker.type,
        "active": not gone,
        "currency_name": "usd",
        "cik": ticker.cik,
        "composite_figi": ticker.composite_figi,
        "last_updated_utc": f"{as_of.astimezone(UTC):%Y-%m-%dT00:00:00Z}",
    }
    if gone and ticker.delisted_utc is not None:
        row["delisted_utc"] = f"{ticker.delisted_utc:%Y-%m-%dT%H:%M:%SZ}"
    return {name: value for name, value in row.items() if value is not None}


def _holiday(holiday: MarketHoliday, exchange: str) -> Row:
    row: dict[str, Json] = {"exchange": exchange, "name": holiday.name, "date": str(holiday.day)}
    if holiday.closes_at is None:
        return {**row, "status": "closed"}
    times = {"open": opens_at(holiday.day), "close": holiday.closes_at}
    return {
        **row,
        "status": "early-close",
        **{name: f"{instant:%Y-%m-%dT%H:%M:%S}.000Z" for name, instant in times.items()},
    }


def _found(ask: Ask, results: Json) -> Reply:
    body = Body(f'{{"results":{json_text(results)},'.encode())
    return Reply(200, body, f'"status":"OK","request_id":"{ask.request_id}"}}'.encode(), ask.request_id)


def _plain(ask: Ask, answer: Json) -> Reply:
    return Reply(200, Body(json_text(answer).encode()), b"", ask.request_id)
