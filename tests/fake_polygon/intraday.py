"""What the vendor shows of a session before it is over: nothing before the open, a growing bar until the close.

Must not know which market the bars are from. Real bars keep moving until 20:00; here they are final at the close.
"""

from datetime import date, datetime

import numpy as np
import numpy.typing as npt

from tests.fake_polygon.market import BarColumns, Floats
from tests.fake_polygon.sessions import closes_at, full_close_at, new_york_date, opens_at


def seen_at(bars: BarColumns, as_of: datetime) -> BarColumns:
    """Return the bars as shown at an instant: sessions to come left out, the session in progress so far."""
    if not len(bars):
        return bars
    newest: date = bars.sessions.max().item()
    if full_close_at(newest) <= as_of:
        return bars
    today = new_york_date(as_of)
    last_open = today if opens_at(today) <= as_of else None
    limit = np.datetime64(today, "D")
    shown = bars.take(bars.sessions <= limit if last_open else bars.sessions < limit)
    if last_open is None or closes_at(today) <= as_of:
        return shown
    elapsed = (as_of - opens_at(today)) / (closes_at(today) - opens_at(today))
    return _so_far(shown, shown.sessions == limit, elapsed)


def _so_far(bars: BarColumns, live: npt.NDArray[np.bool_], part: float) -> BarColumns:
    with np.errstate(invalid="ignore"):  # ABSENT and NULL go through the arithmetic and stay no numbers
        close = np.round(bars.open + part * (bars.close - bars.open), 2)
        high = np.maximum(np.maximum(bars.open, close), np.round(bars.open + part * (bars.high - bars.open), 2))
        low = np.minimum(np.minimum(bars.open, close), np.round(bars.open + part * (bars.low - bars.open), 2))
        vwap = np.where(np.isfinite(bars.vwap), np.round((high + low) / 2, 4), bars.vwap)
        volume, trades = np.floor(bars.volume * part), np.floor(bars.trades * part)

    def now(grown: Floats, final: Floats) -> Floats:
        return np.where(live & np.isfinite(final) & np.isfinite(grown), grown, final)

    return BarColumns(
        bars.sessions,
        bars.open,
        now(high, bars.high),
        now(low, bars.low),
        now(close, bars.close),
        now(volume, bars.volume),
        now(vwap, bars.vwap),
        now(trades, bars.trades),
    )
