"""Bars as the vendor's JSON rows, encoded once and cut as often as they are asked for.

The only file of the fake vendor that knows `T v vw o c h l t n` and their order. It must not know envelopes.
"""

import math
from collections.abc import Sequence
from datetime import date

import msgspec
import numpy as np
import numpy.typing as npt

from tests.fake_polygon.market import NULL, BarColumns, Days
from tests.fake_polygon.number import number, numbers
from tests.fake_polygon.sessions import close_ms, midnight_ms


class EncodedRows(msgspec.Struct, frozen=True, eq=False):
    """Rows as one JSON text, cuttable without touching a number.

    Shape: row i is text[ends[i-1]+1 : ends[i]]; a comma stands at every end but the last.
    """

    text: bytes
    ends: npt.NDArray[np.int64]
    sessions: Days

    def __len__(self) -> int:
        return len(self.ends)

    def between(self, first: date, last: date) -> tuple[int, int]:
        """Return the half-open span of rows from first to last, both included."""
        start, stop = np.searchsorted(
            self.sessions, np.array([first, last], "datetime64[D]") + np.array([0, 1], "timedelta64[D]")
        ).tolist()
        return start, stop

    def cut(self, start: int, stop: int) -> bytes:
        """Return the rows of a span, comma-separated."""
        if stop <= start:
            return b""
        begin = int(self.ends[start - 1]) + 1 if start else 0
        return self.text[begin : int(self.ends[stop - 1])]

    def backwards(self, start: int, stop: int) -> bytes:
        """Return the rows of a span, last one first."""
        return b",".join(self.cut(i, i + 1) for i in range(stop - 1, start - 1, -1))


def range_rows(bars: BarColumns) -> EncodedRows:
    """Return a ticker's bars as the range route sends them: no ticker, `t` at 00:00 New York."""
    days: list[date] = bars.sessions.tolist()
    return _joined(_texts(bars, [midnight_ms(day) for day in days]), bars.sessions)


def session_rows(tickers: Sequence[str], bars: BarColumns) -> EncodedRows:
    """Return bars as the grouped and previous-close routes send them: `T` first, `t` at 16:00 New York."""
    days: list[date] = bars.sessions.tolist()
    # Tickers are not escaped by hand: one of the vendor's known faults is binary garbage in them.
    named = [f'{{"T":{quoted(ticker)},' for ticker in tickers]
    texts = _texts(bars, [close_ms(day) for day in days])
    return _joined([name + text[1:] for name, text in zip(named, texts, strict=True)], bars.sessions)


def quoted(text: str) -> str:
    """Return a text as a JSON string."""
    return msgspec.json.encode(text).decode()


def _joined(texts: list[str], sessions: Days) -> EncodedRows:
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(text) + 1 for text in encoded], dtype=np.int64) - 1
    return EncodedRows(b",".join(encoded), ends, sessions)


def _texts(bars: BarColumns, times: list[int]) -> list[str]:
    wire = (bars.volume, bars.vwap, bars.open, bars.close, bars.high, bars.low)
    columns = [numbers(column) for column in wire]
    trades = [f"{n:.0f}" for n in bars.trades.tolist()]
    texts = [
        f'{{"v":{v},"vw":{vw},"o":{o},"c":{c},"h":{h},"l":{low},"t":{t},"n":{n}}}'
        for v, vw, o, c, h, low, t, n in zip(*columns, times, trades, strict=True)
    ]
    incomplete = ~np.isfinite(np.stack([*wire, bars.trades])).all(axis=0)
    for i in np.flatnonzero(incomplete).tolist():
        texts[i] = _incomplete([float(column[i]) for column in wire], times[i], float(bars.trades[i]))
    return texts


def _incomplete(values: list[float], t: int, trades: float) -> str:
    """One row with a number left out or null."""
    fields = [
        f'"{name}":{_value(x)}' for name, x in zip(("v", "vw", "o", "c", "h", "l"), values, strict=True) if _sent(x)
    ]
    fields.append(f'"t":{t}')
    if _sent(trades):
        fields.append('"n":null' if trades == NULL else f'"n":{trades:.0f}')
    return "{" + ",".join(fields) + "}"


def _sent(x: float) -> bool:
    return not math.isnan(x)


def _value(x: float) -> str:
    return "null" if x == NULL else number(x)
