"""What yfinance shows of itself to us, without the network: put as `yfinance.py` where a command imports it.

It takes its closes from CLOSES, a JSON file of {Yahoo's symbol: {date: close}}, notes each call in CALLS, and fails a
symbol named like one of its errors. Frames have the columns and the index of the real one (seen with 0.2.60 and 1.7.0).
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas  # type: ignore[import-untyped, unused-ignore]

__version__ = "0.2.60"


class YFRateLimitError(Exception):
    """Yahoo's 429."""


class Ticker:
    """A symbol of Yahoo's; like the real one it knows capitals only."""

    def __init__(self, name: str) -> None:
        self._name = name.upper()

    def history(self, **how: Any) -> Any:
        """Return the bars with start <= date < end as a frame."""
        with Path(os.environ["CALLS"]).open("a") as calls:
            calls.write(json.dumps({"name": self._name} | how) + "\n")
        if self._name == os.environ.get("LIMITED"):
            raise YFRateLimitError("Too Many Requests. Rate limited. Try after a while.")
        closes = json.loads(Path(os.environ["CLOSES"]).read_text())
        if self._name not in closes:
            raise OSError(f"${self._name}: possibly delisted;\nno timezone found")
        return frame({day: close for day, close in closes[self._name].items() if how["start"] <= day < how["end"]})


def frame(closes: dict[str, float | None]) -> Any:
    """Return closes as `Ticker.history(auto_adjust=False)` does."""
    index = pandas.DatetimeIndex(list(closes), name="Date").tz_localize("America/New_York")
    return pandas.DataFrame(dict(_columns(list(closes.values()))), index=index)


def _columns(closes: list[float | None]) -> Iterator[tuple[str, list[float | None]]]:
    for name in ("Open", "High", "Low", "Close"):
        yield name, closes
    yield "Adj Close", [None if close is None else close * 0.9 for close in closes]
    for name in ("Volume", "Dividends", "Stock Splits"):
        yield name, [0.0] * len(closes)
