"""Splits and dividends of a scripted ticker, with the instants between which the vendor lists them.

Must not know how they are served. All announcements are made at the close of a session, ten sessions ahead.
The sessions they are given reach a month beyond the last one with bars, for what is announced and still to come.
"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from tests.fake_polygon.market import MarketDividend, MarketSplit
from tests.fake_polygon.script import Episode, Script
from tests.fake_polygon.sessions import full_close_at
from tests.fake_polygon.walk import PRICE_TICKS, Walk

_NOTICE = 10


class Span(msgspec.Struct, frozen=True):
    """The session indices for which announcements are made: effective in [first, end), announced before `today`."""

    first: int
    end: int
    today: int

    def has(self, at: int) -> bool:
        """Whether something effective at that index is announced."""
        return self.first <= at < self.end and at - _NOTICE < self.today


def splits_of(ticker: str, script: Script, sessions: Sequence[date], span: Span) -> list[MarketSplit]:
    """Return every announcement of a split, revised and cancelled ones included."""
    found: list[MarketSplit] = []
    for episode in script.episodes:
        if span.has(episode.at):
            found += _announcements(ticker, episode, sessions)
    return found


def _announcements(ticker: str, episode: Episode, sessions: Sequence[date]) -> list[MarketSplit]:
    at = episode.at
    known_from = full_close_at(sessions[max(0, at - _NOTICE)])
    corrected = full_close_at(sessions[max(0, at - 2)])

    def announced(on: date, since: datetime, until: datetime | None = None) -> MarketSplit:
        return MarketSplit(ticker, on, float(episode.split_from), float(episode.split_to), since, until)

    match episode.kind:
        case "split":
            return [announced(sessions[at], known_from)]
        case "split_moved":
            return [announced(sessions[at + 1], known_from, corrected), announced(sessions[at], corrected)]
        case "split_cancelled":
            return [announced(sessions[at], known_from, corrected)]
        case _:
            return []


def dividends_of(ticker: str, script: Script, walk: Walk, sessions: Sequence[date], span: Span) -> list[MarketDividend]:
    """Return the regular and special dividends; regular ones follow the splits, per share as paid."""
    regular = [_dividend(ticker, at, _regular_cash(script, at), sessions) for at in script.dividends_at if span.has(at)]
    special = [
        _dividend(ticker, e.at, _special_cash(walk, e.at), sessions, special=True)
        for e in script.episodes
        if e.kind == "special_dividend" and span.has(e.at)
    ]
    return sorted([*regular, *special], key=lambda d: d.ex_dividend_date)


def _regular_cash(script: Script, at: int) -> float:
    shares = 1.0
    for episode in script.episodes:
        if episode.splits and episode.at <= at:
            shares *= episode.split_to / episode.split_from
    return max(0.0001, round(script.start_price * 0.004 / shares, 4))


def _special_cash(walk: Walk, at: int) -> float:
    return round(int(walk.close[at - 1]) / PRICE_TICKS * 0.15, 2)


def _dividend(ticker: str, at: int, cash: float, sessions: Sequence[date], *, special: bool = False) -> MarketDividend:
    declared = sessions[max(0, at - _NOTICE)]
    return MarketDividend(
        ticker=ticker,
        ex_dividend_date=sessions[at],
        cash_amount=cash,
        frequency=0 if special else 4,
        dividend_type="SC" if special else "CD",
        declaration_date=declared,
        record_date=sessions[at + 1],
        pay_date=sessions[at + 15],
        known_from=full_close_at(declared),
    )
