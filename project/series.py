"""The series the rules look at: bars in order of ticker and session, with what went before each.

All measures look back only, so a bar's verdict depends on the bars before it and on the corporate actions, never on
the window that was asked for.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from project.factors.factor import DIVIDEND, SPLIT, Factor, applied
from project.median import trailing_median
from project.rows import (
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    VOLUME,
    BarRows,
    Bools,
    Floats,
    Ints,
    Tickers,
    key_ranks,
    sort_keys,
    starts_of_runs,
)

_EPOCH_DAY = np.datetime64("1970-01-01", "D")


class Series(msgspec.Struct, frozen=True):
    """Bars of many tickers in order, as columns, each ticker's bars one run.

    Shape: every field has one entry a bar. Units: prices USD per share as traded; `gap` is open / expected open − 1,
    NaN where there is none; `volume_ratio` is volume / trailing median, both restated for splits, NaN where fewer
    bars went before than the window holds; `acted` tells whether a split or dividend is effective in the session.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    gap: Floats
    volume_ratio: Floats
    acted: Bools


class Actions(msgspec.Struct, frozen=True):
    """The splits and dividends that restate prices, as columns, each kind sorted by (ticker, ex-date).

    Shape: `*_keys` as of `sort_keys`; ratio is split_from / split_to; `growth` is how many of today's shares one share
    of the beginning has become once the split is effective.
    """

    split_keys: Ints
    split_ratio: Floats
    split_growth: Floats
    dividend_keys: Ints
    dividend_cash: Floats


# The vendor's numbers may be any double; what becomes infinite or no number at all is a measure like any other.
@np.errstate(all="ignore")
def actions_of(factors: Iterable[Factor], tickers: Tickers) -> Actions:
    """Return what is applied of splits and dividends as columns; `tickers` must already number every ticker the bars
    use.
    """
    known = set(tickers.names)
    used = [factor for factor in applied(factors) if factor.ticker in known]
    ranks = tickers.ranks()
    split_keys, ratio = _columns([factor for factor in used if factor.kind == SPLIT], "price_factor", tickers, ranks)
    dividend_keys, cash = _columns([factor for factor in used if factor.kind == DIVIDEND], "cash", tickers, ranks)
    return Actions(split_keys, ratio, _growth(key_ranks(split_keys), ratio), dividend_keys, cash)


def _columns(factors: Sequence[Factor], name: str, tickers: Tickers, ranks: Ints) -> tuple[Ints, Floats]:
    """Return sort keys and one field of factors, in an order that depends on nothing else."""
    codes = tickers.codes([factor.ticker for factor in factors])
    keys = sort_keys(codes, _days([factor.applied_on for factor in factors]), ranks)
    values = np.array([getattr(factor, name) for factor in factors], np.float64)
    order = np.lexsort((values, keys))
    return keys[order], values[order]


@np.errstate(all="ignore")
def series_of(bars: BarRows, ranks: Ints, actions: Actions, volume_window: int) -> Series:
    """Return the series of bars that are in order of (ticker, session), one row each."""
    keys = sort_keys(bars.ticker, bars.day, ranks)
    first = starts_of_runs(bars.ticker)
    ratio, cash, acted = _effective(keys, first, actions)
    close, volume = bars.values[CLOSE], bars.values[VOLUME]
    growth = _growth_at(keys, actions)
    return Series(
        open=bars.values[OPEN],
        high=bars.values[HIGH],
        low=bars.values[LOW],
        close=close,
        volume=volume,
        gap=_gap(bars.values[OPEN], close, first, ratio, cash),
        volume_ratio=_volume_ratio(volume / growth, first, volume_window),
        acted=acted,
    )


def _days(dates: Sequence[object]) -> Ints:
    return (np.array(dates, "datetime64[D]") - _EPOCH_DAY).astype(np.int64)


def _growth(rank: Ints, ratio: Floats) -> Floats:
    growth = np.ones(len(ratio))
    for place in range(len(ratio)):
        before = growth[place - 1] if place and rank[place] == rank[place - 1] else 1.0
        growth[place] = before / ratio[place]
    return growth


def _growth_at(keys: Ints, actions: Actions) -> Floats:
    """Return for each bar the growth of its last effective split, 1 before the first."""
    growth = np.ones(len(keys))
    if len(actions.split_keys) == 0:
        return growth
    places = np.searchsorted(actions.split_keys, keys, side="right") - 1
    mine = (places >= 0) & (key_ranks(actions.split_keys[places]) == key_ranks(keys))
    growth[mine] = actions.split_growth[places[mine]]
    return growth


def _effective(keys: Ints, first: Bools, actions: Actions) -> tuple[Floats, Floats, Bools]:
    """Return for each bar the product of split ratios and the sum of cash effective since the bar before it.

    An action on a date without a bar is effective at the next bar; one before a ticker's first bar, at no bar.
    """
    ratio, cash = np.ones(len(keys)), np.zeros(len(keys))
    acted = np.zeros(len(keys), np.bool_)
    for action_keys, apply, column, values in (
        (actions.split_keys, np.multiply, ratio, actions.split_ratio),
        (actions.dividend_keys, np.add, cash, actions.dividend_cash),
    ):
        bars, taken = _bars_of_actions(keys, first, action_keys)
        apply.at(column, bars, values[taken])
        acted[bars] = True
    return ratio, cash, acted


def _bars_of_actions(keys: Ints, first: Bools, action_keys: Ints) -> tuple[Ints, Bools]:
    if len(keys) == 0:
        return np.empty(0, np.int64), np.zeros(len(action_keys), np.bool_)
    places = np.searchsorted(keys, action_keys)
    inside = places < len(keys)
    at = np.where(inside, places, 0)
    same_ticker = key_ranks(keys[at]) == key_ranks(action_keys)
    taken = inside & same_ticker & (~first[at] | (keys[at] == action_keys))
    return at[taken], taken


def _gap(open_: Floats, close: Floats, first: Bools, ratio: Floats, cash: Floats) -> Floats:
    expected = np.full(len(open_), np.nan)
    expected[1:] = close[:-1]
    expected[first] = np.nan
    expected[expected <= 0] = np.nan
    expected = expected * ratio - cash
    expected[expected <= 0] = np.nan
    return np.asarray(open_ / expected - 1.0)


def _volume_ratio(volume: Floats, first: Bools, window: int) -> Floats:
    places = np.arange(len(volume))
    start = np.maximum.accumulate(np.where(first, places, 0))
    median = trailing_median(volume, window)
    median[(places - start < window) | (median <= 0)] = np.nan
    return np.asarray(volume / median)
