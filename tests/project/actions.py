"""Splits and dividends as versions, and the bars to weigh them against, in the fewest words. It knows no rule."""

import datetime as dt
from collections.abc import Sequence

from project.dividend import Dividend
from project.factors.factor import Factor
from project.factors.weigh import weigh
from project.rows import BarRows, Tickers
from project.split import Split
from tests.payloads import FETCHED_AT
from tests.project.columns import SESSIONS, Said, columns, in_order

AT = 20
"""The session of 2024 on which what the tests are about takes place."""
EX_DATE = SESSIONS[AT]

Action = Split | Dividend


def split(
    split_from: float = 1.0,
    split_to: float = 2.0,
    on: dt.date = EX_DATE,
    *,
    ticker: str = "AAPL",
    name: str = "s",
    seq: int = 1,
    ended_by: int | None = None,
    vendor_factor: float | None = None,
) -> Split:
    """Return a version of a split, believed from payload `seq` until `ended_by`."""
    return Split(
        ticker,
        name,
        on,
        split_from,
        split_to,
        None,
        vendor_factor,
        archive_seq=seq,
        known_from=fetched(seq),
        known_to=None if ended_by is None else fetched(ended_by),
        ended_by=ended_by,
    )


def dividend(
    cash: float = 0.5,
    on: dt.date = EX_DATE,
    *,
    ticker: str = "AAPL",
    name: str = "d",
    seq: int = 1,
    ended_by: int | None = None,
    currency: str | None = "USD",
    kind: str | None = "recurring",
    vendor_factor: float | None = None,
) -> Dividend:
    """Return a version of a dividend, believed from payload `seq` until `ended_by`."""
    return Dividend(
        ticker,
        name,
        on,
        cash,
        currency,
        None,
        None,
        None,
        None,
        kind,
        vendor_factor,
        archive_seq=seq,
        known_from=fetched(seq),
        known_to=None if ended_by is None else fetched(ended_by),
        ended_by=ended_by,
    )


def fetched(seq: int) -> dt.datetime:
    """Return when a payload was fetched: one a day."""
    return FETCHED_AT + dt.timedelta(days=seq)


def closes(prices: Sequence[float], ticker: str = "AAPL", first: int = 0) -> list[Said]:
    """Return bars of consecutive sessions of 2024 from the one numbered `first`, each one price all session long."""
    return [Said(ticker, session, price) for session, price in zip(SESSIONS[first:], prices, strict=False)]


def halving(on: int = AT, after: float = 50.0, ticker: str = "AAPL") -> list[Said]:
    """Return bars at 100 that go to another price in the session numbered `on`."""
    return closes([100.0] * on + [after] * (2 * AT - on), ticker)


def bars_of(said: Sequence[Said]) -> tuple[BarRows, Tickers]:
    """Return bars in order of ticker and session."""
    tickers = Tickers()
    return in_order(columns(said, tickers), tickers), tickers


def weighed(actions: Sequence[Action], said: Sequence[Said]) -> list[Factor]:
    """Return the factors of actions in the order given."""
    splits = [action for action in actions if isinstance(action, Split)]
    dividends = [action for action in actions if isinstance(action, Dividend)]
    found = {
        (one.kind, one.ticker, one.vendor_id, one.archive_seq): one for one in weigh(splits, dividends, *bars_of(said))
    }
    assert len(found) == len(actions)
    return [found[type(one).__name__.lower(), one.ticker, one.vendor_id, one.archive_seq] for one in actions]
