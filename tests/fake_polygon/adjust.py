"""The vendor's own split adjustment: what `adjusted=true`, its default, makes of the bars as traded.

Splits only, prices and volume, with the splits executed by the day of asking. It must not know the wire.

Source: the vendor's range route; recorded adjusted prices have four decimals, adjusted volumes up to six.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from tests.fake_polygon.market import BarColumns, Floats, MarketSplit


def by_ticker(splits: Iterable[MarketSplit]) -> Mapping[str, Sequence[MarketSplit]]:
    """Return each ticker's splits."""
    found: dict[str, list[MarketSplit]] = defaultdict(list)
    for split in splits:
        found[split.ticker].append(split)
    return found


def adjusted(bars: BarColumns, splits: Sequence[MarketSplit], today: date) -> BarColumns:
    """Return one ticker's bars restated for the splits executed until today."""
    executed = [s for s in splits if s.execution_date <= today]
    if not executed:
        return bars
    factor = np.ones(len(bars))
    for split in executed:
        factor[bars.sessions < np.datetime64(split.execution_date, "D")] *= split.split_from / split.split_to
    return _restated(bars, factor)


def adjusted_day(
    tickers: Sequence[str], bars: BarColumns, splits: Mapping[str, Sequence[MarketSplit]], today: date
) -> BarColumns:
    """Return the bars of many tickers restated likewise; bar i is of tickers[i]."""
    factor = np.ones(len(bars))
    sessions: list[date] = bars.sessions.tolist()
    for i, (ticker, session) in enumerate(zip(tickers, sessions, strict=True)):
        for split in splits.get(ticker, ()):
            if session < split.execution_date <= today:
                factor[i] *= split.split_from / split.split_to
    return _restated(bars, factor)


def split_factor(splits: Sequence[MarketSplit], after: date, today: date) -> float:
    """Return what an amount per share as of `after` is multiplied by to be stated in today's shares."""
    factor = 1.0
    for split in splits:
        if after < split.execution_date <= today:
            factor *= split.split_from / split.split_to
    return factor


def _restated(bars: BarColumns, factor: Floats) -> BarColumns:
    touched = factor != 1

    def price(column: Floats) -> Floats:
        return np.where(touched, np.round(column * factor, 4), column)

    with np.errstate(invalid="ignore"):  # ABSENT and NULL stay what they are
        return BarColumns(
            bars.sessions,
            price(bars.open),
            price(bars.high),
            price(bars.low),
            price(bars.close),
            np.where(touched, np.round(bars.volume / factor, 6), bars.volume),
            price(bars.vwap),
            bars.trades,
        )
