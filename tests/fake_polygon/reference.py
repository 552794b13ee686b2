"""The corporate-action routes, old and new: splits and dividends with the vendor's ids and factors.

It must not know HTTP or how a list is filtered and paged.

Source: polygon.md §2; recorded v3 rows for the order of keys (alphabetical).
"""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import date

import numpy as np

from tests.fake_polygon.adjust import by_ticker, split_factor
from tests.fake_polygon.ask import Ask, Reply
from tests.fake_polygon.json_text import Json
from tests.fake_polygon.listing import Listing, Lists, Row
from tests.fake_polygon.market import BarColumns, Market, MarketDividend, MarketSplit
from tests.fake_polygon.shelf import Shelf

_SPLIT_FIELDS = frozenset({"ticker", "execution_date"})
_DIVIDEND_FIELDS = frozenset({"ticker", "ex_dividend_date", "frequency"})
_OLD_DIVIDEND_FIELDS = frozenset(
    {"record_date", "declaration_date", "pay_date", "cash_amount", "dividend_type"} | _DIVIDEND_FIELDS
)

_SPLITS = Listing("/v3/reference/splits", 10, 1000, "execution_date", True, _SPLIT_FIELDS)
_DIVIDENDS = Listing("/v3/reference/dividends", 10, 1000, "ex_dividend_date", True, _OLD_DIVIDEND_FIELDS)
_STOCKS_SPLITS = Listing("/stocks/v1/splits", 100, 5000, "execution_date", True, _SPLIT_FIELDS | {"adjustment_type"})
_STOCKS_DIVIDENDS = Listing(
    "/stocks/v1/dividends", 100, 5000, "ticker", False, _DIVIDEND_FIELDS | {"distribution_type"}
)


class Reference:
    """Answers the corporate-action routes of one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._lists = Lists()
        self._bars: Shelf[BarColumns] = Shelf(64 << 20, lambda bars: 64 * len(bars) + 200)
        self._splits: Shelf[Mapping[str, Sequence[MarketSplit]]] = Shelf(1, lambda _: 1)
        self._dividends: Shelf[Mapping[str, Sequence[MarketDividend]]] = Shelf(1, lambda _: 1)

    def splits(self, ask: Ask) -> Reply:
        """Answer the deprecated v3 list of splits."""

        def rows() -> Iterator[Row]:
            every = self._market.splits(ask.as_of)
            if "reverse_split" in ask.query:
                wanted = ask.flag("reverse_split", default=False)
                every = [s for s in every if (s.split_from > s.split_to) == wanted]
            return map(_split_row, every)

        return self._lists.page(ask, _SPLITS, self._edition(ask), rows)

    def dividends(self, ask: Ask) -> Reply:
        """Answer the deprecated v3 list of dividends."""
        return self._lists.page(
            ask, _DIVIDENDS, self._edition(ask), lambda: map(_dividend_row, self._market.dividends(ask.as_of))
        )

    def stocks_splits(self, ask: Ask) -> Reply:
        """Answer the list of splits with the factor for prices before each."""

        def finish(row: Row) -> Row:
            splits = self._splits_of(ask, str(row["ticker"]))
            factor = _cumulative(splits, str(row["execution_date"]), str(ask.today))
            return _in_order({**row, "historical_adjustment_factor": factor})

        def rows() -> Iterator[Row]:
            return (_typed(s, _split_row(s)) for s in self._market.splits(ask.as_of))

        return self._lists.page(ask, _STOCKS_SPLITS, self._edition(ask), rows, finish)

    def stocks_dividends(self, ask: Ask) -> Reply:
        """Answer the list of dividends with the factor for prices before each."""

        def finish(row: Row) -> Row:
            ticker, ex_date = str(row["ticker"]), date.fromisoformat(str(row["ex_dividend_date"]))
            since = split_factor(self._splits_of(ask, ticker), ex_date, ask.today)
            more = {
                "historical_adjustment_factor": self._dividend_factor(ask, ticker, ex_date),
                "split_adjusted_cash_amount": round(float(str(row["cash_amount"])) * since, 10),
            }
            return _in_order({**row, **more})

        def rows() -> Iterator[Row]:
            return (_distribution(_dividend_row(d)) for d in self._market.dividends(ask.as_of))

        return self._lists.page(ask, _STOCKS_DIVIDENDS, self._edition(ask), rows, finish)

    def _edition(self, ask: Ask) -> Hashable:
        return self._market.edition(ask.as_of)

    def _splits_of(self, ask: Ask, ticker: str) -> Sequence[MarketSplit]:
        every = self._splits.get(self._edition(ask), lambda: by_ticker(self._market.splits(ask.as_of)))
        return every.get(ticker, ())

    def _dividends_of(self, ask: Ask, ticker: str) -> Sequence[MarketDividend]:
        def grouped() -> Mapping[str, Sequence[MarketDividend]]:
            found: dict[str, list[MarketDividend]] = defaultdict(list)
            for dividend in self._market.dividends(ask.as_of):
                found[dividend.ticker].append(dividend)
            return found

        return self._dividends.get(self._edition(ask), grouped).get(ticker, ())

    def _dividend_factor(self, ask: Ask, ticker: str, ex_date: date) -> float:
        """What prices before the ex-date are multiplied by for this dividend and all later ones up to today."""
        bars = self._bars.get((ticker, self._edition(ask)), lambda: self._market.bars(ticker, ask.as_of))
        factor = 1.0
        for dividend in self._dividends_of(ask, ticker):
            if ex_date <= dividend.ex_dividend_date <= ask.today:
                close = _close_before(bars, dividend)
                factor *= 1 - dividend.cash_amount / close if close else 1.0
        return round(factor, 10)


def _close_before(bars: BarColumns, dividend: MarketDividend) -> float | None:
    at = int(np.searchsorted(bars.sessions, np.datetime64(dividend.ex_dividend_date, "D"))) - 1
    while at >= 0 and not (np.isfinite(bars.close[at]) and bars.close[at] > dividend.cash_amount):
        at -= 1
    return float(bars.close[at]) if at >= 0 else None


def _cumulative(splits: Sequence[MarketSplit], on: str, today: str) -> float:
    """The factor for prices before `on`: this split and all later ones, up to today for one already executed."""
    factor = 1.0
    for split in splits:
        executed = str(split.execution_date)
        if executed >= on and (executed <= today or on > today):
            factor *= split.split_from / split.split_to
    return round(factor, 10)


def _split_row(split: MarketSplit) -> Row:
    return {
        "execution_date": str(split.execution_date),
        "id": _id(split.ticker, split.execution_date, split.split_from, split.split_to),
        "split_from": split.split_from,
        "split_to": split.split_to,
        "ticker": split.ticker,
    }


def _typed(split: MarketSplit, row: Row) -> Row:
    reverse = split.split_from > split.split_to
    return {"adjustment_type": "reverse_split" if reverse else "forward_split", **row}


def _dividend_row(dividend: MarketDividend) -> Row:
    row: dict[str, Json] = {
        "cash_amount": dividend.cash_amount,
        "currency": "USD",
        "declaration_date": _day(dividend.declaration_date),
        "dividend_type": dividend.dividend_type,
        "ex_dividend_date": str(dividend.ex_dividend_date),
        "frequency": dividend.frequency,
        "id": _id(dividend.ticker, dividend.ex_dividend_date, dividend.cash_amount, dividend.dividend_type),
        "pay_date": _day(dividend.pay_date),
        "record_date": _day(dividend.record_date),
        "ticker": dividend.ticker,
    }
    return {name: value for name, value in row.items() if value is not None}


def _distribution(row: Row) -> Row:
    kind = {"CD": "recurring", "SC": "special"}.get(str(row["dividend_type"]), "unknown")
    return {**{name: value for name, value in row.items() if name != "dividend_type"}, "distribution_type": kind}


def _in_order(row: Row) -> Row:
    return dict(sorted(row.items()))


def _day(day: object) -> str | None:
    return None if day is None else str(day)


def _id(*parts: object) -> str:
    return "E" + hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
