"""Yahoo as a second source, through the optional library yfinance. It knows how that behaves, and no close of ours.

Source: yfinance 0.2.60 to 1.7.0. `Ticker.history(auto_adjust=False)` gives Yahoo's Close, restated for splits and not
for dividends; `start` is inclusive and `end` exclusive; its index is midnight of the session in the exchange's zone,
its columns are flat (those of `download` are not); a refusal for too many requests is raised as YFRateLimitError, and
everything else is logged and hidden behind an empty frame unless it is told to raise. It turns a symbol into capitals
before it asks, so one with small letters would be answered with another security's bars.
"""

import asyncio
import datetime as dt
import logging
import re
import warnings
from collections.abc import Callable
from typing import Any

from archive.payload import Endpoint, Request, Response, Transfer
from ingest.errors import MissingLibrary
from ingest.period import Period
from ingest.spot.second_source import NoSecondOpinion

_TIMEOUT_S = 20
_LONGEST_REASON = 200
# Preferred shares, warrants, units and rights go by other names there, which no rule gives.
_COMMON_STOCK = re.compile(r"(?P<root>[A-Z]{1,5})(?:\.(?P<share_class>[A-C]))?")


class Yahoo:
    """Yahoo Finance as a second source. Get one from `open_yahoo`."""

    def __init__(self, library: Any) -> None:
        self.source = "yahoo"
        self.split_adjusted = True
        self._library = library
        self._how = _raising(library)

    def name_of(self, symbol: str) -> str | None:
        """Return Yahoo's name of a common stock or fund: BRK.B is BRK-B there; None for anything else."""
        found = _COMMON_STOCK.fullmatch(symbol)
        return None if found is None else "-".join(filter(None, found.groups()))

    async def fetch(self, symbol: str, period: Period, now: Callable[[], dt.datetime]) -> Response:
        """Return Yahoo's bars as CSV, one line a session, with its dividends and splits.

        Raises: NoSecondOpinion, for good when Yahoo says that there were too many requests.
        """
        name, end = self.name_of(symbol), period.last + dt.timedelta(days=1)
        assert name is not None
        try:
            frame = await asyncio.to_thread(self._history, name, period.first, end)
            body = csv_of(frame)
        except Exception as exc:  # whatever the library or the network under it raises: no opinion, never a failed run
            raise NoSecondOpinion(_said(exc), for_good=type(exc).__name__ == "YFRateLimitError") from exc
        target = f"/yfinance/history/{name}?auto_adjust=false&end={end}&start={period.first}"
        headers = [("Content-Type", "text/csv"), ("X-Library", f"yfinance {self._library.__version__}")]
        request = Request(Endpoint.RANGE, target, symbol, period.first, period.last)
        return Response(self.source, request, now(), 200, headers, Transfer.COMPLETE, body)

    def _history(self, name: str, first: dt.date, end: dt.date) -> Any:
        ticker = self._library.Ticker(name)
        return ticker.history(
            start=str(first), end=str(end), interval="1d", auto_adjust=False, timeout=_TIMEOUT_S, **self._how
        )


def open_yahoo() -> Yahoo:
    """Return Yahoo as a second source.

    Raises: MissingLibrary.
    """
    try:
        import yfinance  # an extra: who never asks Yahoo need not have it
    except ImportError as exc:
        raise MissingLibrary("yfinance", "spotcheck") from exc
    # What it would log is in the error it raises, and what pandas warns it of is for those who make it.
    warnings.filterwarnings("ignore", module=r"yfinance\b")
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
    return Yahoo(yfinance)


def csv_of(frame: Any) -> bytes:
    """Return a pandas frame of daily bars as CSV with the index as column Date; numbers read back as they were."""
    text: str = frame.to_csv(index_label="Date", lineterminator="\n")
    return text.encode()


def _raising(library: Any) -> dict[str, bool]:
    """Have errors raised; since yfinance 1.0 that is a setting and no longer an argument."""
    config = getattr(library, "config", None)
    if config is None:
        return {"raise_errors": True}
    config.debug.hide_exceptions = False
    return {}


def _said(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"[:_LONGEST_REASON]
