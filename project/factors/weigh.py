"""Weighing: what splits and dividends do to prices, held against what the prices did around their ex-dates.

The vendor states splits twice, on a wrong date, with absurd ratios, and splits that never came to be. So a split that
the prices show is applied from the session that shows it, and one that they contradict is not applied: a missed split
leaves one gap, which the rules flag, but a wrong one would silently spoil all history before it. Where prices cannot
tell, what is stated holds. A dividend is checked only where it is large enough to show.

Every version is weighed in the company of what was believed with it (company.py). Its weight depends on nothing but

- versions of the same ticker with the same ex-date, and for a split all splits with an ex-date within 2 × WINDOW_DAYS,
- bars of the ticker within WINDOW_DAYS of these ex-dates, and the one bar before the first of each window,

so on nothing beyond REACH_DAYS but for that one bar; not on the order of anything, nor on what else is weighed. This
file knows no payload and no database.

Source: two ids of one split, wrong dates and ratios: polygon-io/issues#19 and #324, client-jvm#287; the vendor's
AAPL 7-for-1 of 2014-06-09 is recorded under 2014-06-10; one event under its announced, record and ex-date: AMZN 2022.
"""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from project.dividend import Dividend
from project.factors.around import OFFSETS, WINDOW_DAYS, Prices
from project.factors.company import Versions
from project.factors.factor import DIVIDEND, SPLIT, Factor, Flag
from project.rows import BarRows, Tickers
from project.split import Split, price_factor

REACH_DAYS = 3 * WINDOW_DAYS
"""How far from an ex-date another action, or a bar, can change an action's weight."""

_EPOCH = dt.date(1970, 1, 1)
_TELLING = math.log(1.2)  # what is smaller may well be an ordinary night
_ABSURD = 10_000.0
_VENDOR_TOLERANCE = 0.01
_DOLLARS = (None, "USD")
# The same type is called otherwise by the older route.
_TYPES = {"CD": "recurring", "SC": "special"}
_UNCHECKED = (Flag.UNCHECKED,)
_NO_MOVES = (math.nan,) * len(OFFSETS)


class _Weight(NamedTuple):
    """What the prices make of one version.

    `column` is the bar (of OFFSETS) from which it is applied, None where it is not; `residual` is how far that bar's
    move is from showing it exactly, None where it was not needed to. `own` is the version's factor, `total` that of
    its date, None where prices cannot be restated by it.
    """

    column: int | None
    flags: tuple[Flag, ...]
    residual: float | None
    own: float | None
    total: float | None


class _Shown(NamedTuple):
    """Which bar (of OFFSETS) shows a move; those of the ex-date come before others, then the nearest to it."""

    is_elsewhere: bool
    residual: float
    column: int


# The vendor's numbers may be any double; what becomes infinite or no number shows nowhere.
@np.errstate(all="ignore")
def weigh(splits: Sequence[Split], dividends: Sequence[Dividend], bars: BarRows, tickers: Tickers) -> list[Factor]:
    """Return the factor of every version: splits first, each kind by ticker, ex-date, archive_seq and id.

    `bars` are current and as traded, in order of (ticker, session), one row each; `tickers` numbers their tickers.
    """
    prices = Prices(bars, tickers)
    split_dates = {(split.ticker, split.execution_date) for split in splits}
    return [*_weigh_splits(Versions(splits), prices), *_weigh_dividends(Versions(dividends), prices, split_dates)]


def _weigh_splits(versions: Versions[Split], prices: Prices) -> Iterator[Factor]:
    everyone = np.arange(len(versions))
    around = prices.around(versions.names, versions.day)
    neighbours = prices.neighbours(around, everyone)
    days: list[list[int]] = neighbours.day.tolist()
    logs: list[list[float]] = np.log(neighbours.move).tolist()
    weights: list[_Weight] = []
    for at, company in versions.companies(everyone):
        ratios = [price_factor(versions.records[other]) for other in company]
        weights.append(_splits_of_a_date(ratios, logs[at])[company.index(at)])
    for at, flag in list(_losers(versions, weights, days)):
        left = tuple(each for each in weights[at].flags if each is not Flag.DATED_OFF)
        weights[at] = weights[at]._replace(column=None, flags=(*left, flag), residual=None)
    for split, weight, move, bars in zip(versions.records, weights, around.move.tolist(), days, strict=True):
        yield Factor(
            ticker=split.ticker,
            kind=SPLIT,
            vendor_id=split.vendor_id,
            archive_seq=split.archive_seq,
            ex_date=split.execution_date,
            applied_on=_session(split.execution_date, weight.column, bars),
            split_from=split.split_from,
            split_to=split.split_to,
            cash=None,
            price_factor=price_factor(split),
            volume_factor=split.split_to / split.split_from,
            move=_number(move),
            vendor_factor=split.vendor_factor,
            flags=_flags(weight, split.vendor_factor),
            known_from=split.known_from,
            known_to=split.known_to,
        )


def _splits_of_a_date(ratios: Sequence[float], moves: Sequence[float]) -> list[_Weight]:
    """Return the weights of splits that were stated for one date together, in order of who stated them first."""
    distinct = tuple(sorted(set(ratios)))
    options = [(ratio,) for ratio in distinct] + [distinct] * (len(distinct) > 1)
    expected = [[_log(math.prod(option))] * len(OFFSETS) for option in options]
    shown = [(found, option) for logs, option in zip(expected, options, strict=True) if (found := _shown(logs, moves))]
    best, believed = min(shown, default=(None, distinct), key=lambda one: one[0])
    denied = best is None and not math.isnan(moves[0]) and any(_tells(logs[0]) for logs in expected)
    total = math.prod(believed)
    weights = []
    for place, ratio in enumerate(ratios):
        flags = [Flag.CONFLICTING] * (len(distinct) > 1)
        flags += [Flag.ABSURD_RATIO] * (not 1 / _ABSURD < ratio < _ABSURD)
        if ratio in ratios[:place]:
            weights.append(_Weight(None, (*flags, Flag.DUPLICATE), None, ratio, total))
        elif best is not None and ratio in believed:
            flags += [Flag.DATED_OFF] * best.is_elsewhere
            weights.append(_Weight(best.column, tuple(flags), best.residual, ratio, total))
        elif best is not None:
            weights.append(_Weight(None, tuple(flags), None, ratio, total))
        elif denied:
            weights.append(_Weight(None, (*flags, Flag.CONTRADICTED), None, ratio, total))
        else:
            weights.append(_Weight(None if flags else 0, (*flags, Flag.UNCHECKED), None, ratio, total))
    return weights


def _losers(
    versions: Versions[Split], weights: Sequence[_Weight], days: Sequence[Sequence[int]]
) -> Iterator[tuple[int, Flag]]:
    """Yield the places of splits shown by a move that shows another ex-date's split better, and what to call them."""
    claims: dict[tuple[str, int], list[int]] = defaultdict(list)
    for at, weight in enumerate(weights):
        if weight.column is not None and weight.residual is not None:
            claims[versions.names[at], days[at][weight.column]].append(at)

    def rank(at: int) -> tuple[bool, bool, float, int, str]:
        weight, split = weights[at], versions.records[at]
        not_on_session = days[at][0] != versions.day[at]
        return weight.column != 0, not_on_session, weight.residual or 0.0, split.archive_seq, split.vendor_id

    for claimants in claims.values():
        for at in claimants:
            rivals = [other for other in claimants if versions.day[other] != versions.day[at]]
            better = [other for other in rivals if versions.keeps_company(other, at) and rank(other) < rank(at)]
            if better:
                same = any(weights[other].own == weights[at].own for other in better)
                yield at, Flag.DUPLICATE if same else Flag.CONTRADICTED


def _weigh_dividends(
    versions: Versions[Dividend], prices: Prices, split_dates: Collection[tuple[str, dt.date]]
) -> Iterator[Factor]:
    around = prices.around(versions.names, versions.day)
    cash = np.fromiter((dividend.cash_amount for dividend in versions.records), np.float64, len(versions))
    in_dollars = np.fromiter((one.currency in _DOLLARS for one in versions.records), np.bool_, len(versions))
    own = 1.0 - cash / around.close
    # Most stand alone and are too small to show: what is stated holds, and needs no second look.
    looked_at = np.flatnonzero(~(versions.alone() & in_dollars & ((own > math.exp(-_TELLING)) | np.isnan(own))))
    neighbours = prices.neighbours(around, looked_at)
    looked = zip(neighbours.day.tolist(), neighbours.close.tolist(), np.log(neighbours.move).tolist(), strict=True)
    weights: dict[int, _Weight] = {}
    days: dict[int, list[int]] = {}
    for (at, company), (days[at], closes, moves) in zip(versions.companies(looked_at), looked, strict=True):
        dividends = [versions.records[other] for other in company]
        split_too = (versions.names[at], dividends[0].ex_dividend_date) in split_dates
        night = _Night(float(around.close[at]), bool(around.traded[at]), closes, _NO_MOVES if split_too else moves)
        weights[at] = _dividends_of_a_date(dividends, night)[company.index(at)]
    facts = zip(versions.records, own.tolist(), around.traded.tolist(), around.move.tolist(), strict=True)
    for at, (dividend, factor, traded, move) in enumerate(facts):
        weight = weights.get(at) or _as_stated(_number(factor), _number(factor), traded)
        yield Factor(
            ticker=dividend.ticker,
            kind=DIVIDEND,
            vendor_id=dividend.vendor_id,
            archive_seq=dividend.archive_seq,
            ex_date=dividend.ex_dividend_date,
            applied_on=_session(dividend.ex_dividend_date, weight.column, days.get(at, ())),
            split_from=None,
            split_to=None,
            cash=dividend.cash_amount,
            price_factor=weight.own,
            volume_factor=1.0,
            move=_number(move),
            vendor_factor=dividend.vendor_factor,
            flags=_flags(weight, dividend.vendor_factor),
            known_from=dividend.known_from,
            known_to=dividend.known_to,
        )


class _Night(NamedTuple):
    """The close before an ex-date and whether it was followed by a bar, then the same of the bars of OFFSETS, and the
    logarithms of their moves."""

    close: float
    traded: bool
    closes: Sequence[float]
    moves: Sequence[float]


def _dividends_of_a_date(dividends: Sequence[Dividend], night: _Night) -> list[_Weight]:
    """Return the weights of dividends that were stated for one date together, in order of who stated them first."""
    left = night.close
    seen: set[object] = set()
    found: list[tuple[Flag | None, float | None]] = []
    for dividend in dividends:
        said = (dividend.cash_amount, _TYPES.get(dividend.distribution_type or "", dividend.distribution_type))
        if dividend.currency not in _DOLLARS:
            found.append((Flag.FOREIGN_CURRENCY, None))
        elif said in seen:
            found.append((Flag.DUPLICATE, None))
        elif dividend.cash_amount >= left:
            found.append((Flag.ABSURD_AMOUNT, None))
        else:
            seen.add(said)
            found.append((None, _number(1.0 - dividend.cash_amount / left)))
            left -= dividend.cash_amount
    total = _number(left / night.close)
    large = [flag is None and own is not None and _tells(_log(own)) for flag, own in found]
    paid = sum(dividend.cash_amount for dividend, is_large in zip(dividends, large, strict=True) if is_large)
    shown = _shown([_log(1.0 - paid / close) for close in night.closes], night.moves)
    weights = []
    for (flag, own), is_large in zip(found, large, strict=True):
        if flag is not None:
            weights.append(_Weight(None, (flag,), None, own, total))
        elif not is_large or math.isnan(night.moves[0]):
            weights.append(_as_stated(own, total, night.traded))
        elif shown is None:
            weights.append(_Weight(None, (Flag.CONTRADICTED,), None, own, total))
        elif not shown.is_elsewhere:
            weights.append(_Weight(0, (), shown.residual, own, total))
        else:
            # The close before the session that shows it is another one.
            own = None if own is None else 1.0 - (1.0 - own) * night.close / night.closes[shown.column]
            weights.append(_Weight(shown.column, (Flag.DATED_OFF,), shown.residual, own, total))
    return weights


def _as_stated(own: float | None, total: float | None, traded: bool) -> _Weight:
    return _Weight(0, () if traded and own is not None else _UNCHECKED, None, own, total)


def _shown(expected: Sequence[float], moves: Sequence[float]) -> _Shown | None:
    """Return the bar whose move comes nearest to what is expected of it, all as logarithms; None where none does.

    A move shows what is expected if it goes more than half and less than one and a half times as far.
    """
    if not _tells(expected[0]) or math.isnan(moves[0]):
        return None
    fitting = [
        _Shown(column > 0, abs(move - log), column)
        for column, (log, move) in enumerate(zip(expected, moves, strict=True))
        if abs(move - log) <= abs(log) / 2 < math.inf
    ]
    return min(fitting, default=None)


def _tells(log: float) -> bool:
    return _TELLING <= abs(log) < math.inf


def _log(factor: float) -> float:
    return math.log(factor) if factor > 0 else -math.inf


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _session(ex_date: dt.date, column: int | None, days: Sequence[int]) -> dt.date | None:
    if column is None:
        return None
    return ex_date if column == 0 else _EPOCH + dt.timedelta(days=days[column])


def _flags(weight: _Weight, vendor_factor: float | None) -> tuple[Flag, ...]:
    if vendor_factor is None or weight.total is None:
        return weight.flags
    differs = not abs(vendor_factor - weight.total) <= _VENDOR_TOLERANCE * weight.total
    return weight.flags + (Flag.VENDOR_FACTOR_DIFFERS,) * differs
