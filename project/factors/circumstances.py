"""What bars are judged by besides themselves: splits and dividends with what they come to, and a person's overrides.

A rebuild knows all of it at once. A catch-up reads what touches the bars that may change: an action is weighed by what
lies around its ex-date (factor.py), so those near enough to a change are weighed again and the others stand as the
table has them.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import asyncpg
import msgspec

from project import content
from project.content import Fingerprint
from project.decide.override import NO_OVERRIDES, Overrides, overrides_of
from project.dividend import Dividend
from project.factors.around import WINDOW_DAYS
from project.factors.factor import DIVIDEND, SPLIT, Factor, factor_of
from project.factors.weigh import REACH_DAYS, weigh
from project.kinds import Folded
from project.rows import BarRows, Ints, Tickers
from project.split import Split
from sql import load_queries

_QUERIES = load_queries("circumstances.sql")
_SPLITS_NEAR = _QUERIES["splits_near"]
_DIVIDENDS_NEAR = _QUERIES["dividends_near"]
_FACTORS_AROUND = _QUERIES["factors_around"]
_APPLIED_FACTORS = _QUERIES["applied_factors"]
_DELETE_FACTOR = _QUERIES["delete_factor"]

# How far before a change an action may be that it makes weigh otherwise. A split is weighed in the company of others
# within two windows of its own; a dividend only beside what is stated of the same date.
_REACH = {SPLIT: REACH_DAYS, DIVIDEND: WINDOW_DAYS}
_COMPANY_DAYS = REACH_DAYS + 2 * WINDOW_DAYS
_EPOCH = dt.date(1970, 1, 1)
_FIRST_DAY = -(10**5)

Action = TypeVar("Action", Split, Dividend)
FactorKey = tuple[str, str, str, int]


class Weighed(msgspec.Struct, frozen=True):
    """Factors after weighing: those that hold, those to be written, those they replace, and both in the hash."""

    factors: list[Factor]
    written: list[Factor]
    replaced: list[Factor]
    fingerprint: Fingerprint


class Circumstances(msgspec.Struct, frozen=True):
    """What is known of some tickers besides their bars.

    `splits` and `dividends` are the versions to weigh and their company. Bars change from `changed_from` on (by ticker;
    all of them where it is missing); the actions that this reaches get their weight, all others stand as `settled`.
    """

    splits: Sequence[Split] = ()
    dividends: Sequence[Dividend] = ()
    settled: Sequence[Factor] = ()
    changed_from: Mapping[str, dt.date] = {}
    overrides: Overrides = NO_OVERRIDES

    def weigh(self, bars: BarRows, tickers: Tickers) -> Weighed:
        """Return the factors that hold for bars in order of (ticker, session), one row each."""
        before = {key_of(factor): factor for factor in self.settled}
        now = dict(before)
        for factor in weigh(self.splits, self.dividends, bars, tickers):
            if self._reaches(factor.ticker, factor.kind, factor.ex_date):
                now[key_of(factor)] = factor
        written = [factor for key, factor in now.items() if before.get(key) != factor]
        replaced = [before[key] for factor in written if (key := key_of(factor)) in before]
        fingerprint = content.of_factors(written) - content.of_factors(replaced)
        return Weighed(list(now.values()), written, replaced, fingerprint)

    def judged_earlier(self) -> dict[str, int]:
        """Return for each ticker with an action to be weighed how many days before the change bars are needed."""
        days: dict[str, int] = {}
        dated = [(split.ticker, SPLIT, split.execution_date) for split in self.splits]
        dated += [(dividend.ticker, DIVIDEND, dividend.ex_dividend_date) for dividend in self.dividends]
        for ticker, kind, ex_date in dated:
            if self._reaches(ticker, kind, ex_date):
                days[ticker] = max(days.get(ticker, 0), 2 * _REACH[kind])
        return days

    def _reaches(self, ticker: str, kind: str, ex_date: dt.date) -> bool:
        changed = self.changed_from.get(ticker)
        return changed is None or ex_date >= _earlier(changed, _REACH[kind])


def key_of(factor: Factor) -> FactorKey:
    """Return what a factor is about: one version of a split or dividend."""
    return factor.ticker, factor.kind, factor.vendor_id, factor.archive_seq


class AllCircumstances:
    """Everything that is known, of which each part of a rebuild takes its own."""

    def __init__(self, records: Folded, tickers: Tickers) -> None:
        self._splits = _by_ticker(records["split"].added)
        self._dividends = _by_ticker(records["dividend"].added)
        self._overrides = overrides_of(records["override"].believed, tickers)
        tickers.codes([*self._splits, *self._dividends])  # those without bars have factors too

    def of(self, names: Iterable[str]) -> Circumstances:
        """Return what is known of some tickers, every action to be weighed."""
        chosen = list(names)
        return Circumstances(
            [split for name in chosen for split in self._splits.get(name, ())],
            [dividend for name in chosen for dividend in self._dividends.get(name, ())],
            overrides=self._overrides,
        )


async def read_circumstances(
    connection: asyncpg.Connection, tickers: Tickers, codes: Ints, since: Ints, overrides: Overrides
) -> tuple[Circumstances, Ints]:
    """Return what is known of the tickers numbered `codes`, whose bars change from `since` on (days since 1970), and
    from which day on verdicts may change: earlier than `since` where an action near it is weighed again.
    """
    names = [tickers.names[code] for code in codes.tolist()]
    changed = [_date(day) for day in since[codes].tolist()]
    company = [_earlier(date, _COMPANY_DAYS) for date in changed]
    splits = [Split(**row) for row in await connection.fetch(_SPLITS_NEAR, names, company)]
    dividends = [Dividend(**row) for row in await connection.fetch(_DIVIDENDS_NEAR, names, company)]
    known = Circumstances(splits, dividends, (), dict(zip(names, changed, strict=True)), overrides)
    judged_since = since.copy()
    for name, days in known.judged_earlier().items():
        judged_since[tickers.code(name)] -= days
    bounds = [_date(day) for day in judged_since[codes].tolist()]
    settled = [factor_of(row) for row in await connection.fetch(_FACTORS_AROUND, names, bounds, company)]
    return msgspec.structs.replace(known, settled=settled), judged_since


async def read_applied(connection: asyncpg.Connection, tickers: Sequence[str]) -> list[Factor]:
    """Return the factors that are applied to the bars of some tickers."""
    return [factor_of(row) for row in await connection.fetch(_APPLIED_FACTORS, tickers)]


async def write_factors(connection: asyncpg.Connection, weighed: Weighed) -> None:
    """Write the factors that are new or weigh otherwise than before."""
    await connection.executemany(_DELETE_FACTOR, [key_of(factor) for factor in weighed.replaced])
    if weighed.written:
        await connection.copy_records_to_table(
            "factor", columns=Factor.__struct_fields__, records=map(msgspec.structs.astuple, weighed.written)
        )


def _by_ticker(actions: Iterable[Action]) -> dict[str, list[Action]]:
    found: dict[str, list[Action]] = defaultdict(list)
    for action in actions:
        found[action.ticker].append(action)
    return found


def _date(day: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=max(day, _FIRST_DAY))


def _earlier(date: dt.date, days: int) -> dt.date:
    return date - dt.timedelta(days=days)
