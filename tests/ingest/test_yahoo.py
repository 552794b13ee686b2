"""Yahoo's names, Yahoo's frames as text, and what becomes of the library's errors."""

import datetime as dt
import math
from types import SimpleNamespace
from typing import Any

import pytest

from archive.payload import Endpoint, Request
from ingest.period import Period
from ingest.spot.csv_bars import read_closes
from ingest.spot.second_source import NoSecondOpinion
from ingest.spot.yahoo import Yahoo, csv_of
from tests.ingest import stand_in_yfinance
from tests.ingest.stand_in_yfinance import YFRateLimitError, frame

PERIOD = Period(dt.date(2024, 3, 7), dt.date(2024, 3, 11))
NOW = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)


def test_a_class_of_common_stock_has_a_dash_there() -> None:
    names = {symbol: Yahoo(stand_in_yfinance).name_of(symbol) for symbol in ("AAPL", "F", "GOOGL", "BRK.B", "MOG.A")}
    assert names == {"AAPL": "AAPL", "F": "F", "GOOGL": "GOOGL", "BRK.B": "BRK-B", "MOG.A": "MOG-A"}


@pytest.mark.parametrize("symbol", ["BCpC", "ABRpD", "ACHR.WS", "AAC.U", "X:BTCUSD", "ABCDEF", "BRK-B", "../F", ""])
def test_what_yahoo_calls_otherwise_has_no_name(symbol: str) -> None:
    assert Yahoo(stand_in_yfinance).name_of(symbol) is None


def test_a_frame_is_read_back_as_it_was_across_the_clock_change() -> None:
    closes = {"2024-03-08": 92.4785690307617, "2024-03-11": 0.1 + 0.2, "2024-03-12": None}
    found = read_closes(csv_of(frame(closes)))
    assert list(found) == [dt.date(2024, 3, 8), dt.date(2024, 3, 11), dt.date(2024, 3, 12)]
    assert list(found.values())[:2] == [92.4785690307617, 0.1 + 0.2]
    assert math.isnan(found[dt.date(2024, 3, 12)])


def test_a_frame_without_rows_is_a_table_without_closes() -> None:
    assert read_closes(csv_of(frame({}))) == {}


def _library(answer: Any, **more: Any) -> tuple[Any, list[dict[str, Any]]]:
    asked: list[dict[str, Any]] = []

    def ticker(name: str) -> Any:
        def history(**how: Any) -> Any:
            asked.append({"name": name} | how)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return SimpleNamespace(history=history)

    return SimpleNamespace(Ticker=ticker, __version__="9.9", **more), asked


async def test_bars_are_asked_for_unadjusted_and_up_to_the_day_after_the_last() -> None:
    library, asked = _library(frame({"2024-03-08": 10.5}))
    response = await Yahoo(library).fetch("BRK.B", PERIOD, lambda: NOW)
    [call] = asked
    assert call.pop("timeout") > 0
    assert call == {
        "name": "BRK-B",
        "start": "2024-03-07",
        "end": "2024-03-12",
        "interval": "1d",
        "auto_adjust": False,
        "raise_errors": True,
    }
    target = "/yfinance/history/BRK-B?auto_adjust=false&end=2024-03-12&start=2024-03-07"
    assert response.request == Request(Endpoint.RANGE, target, "BRK.B", PERIOD.first, PERIOD.last)
    assert (response.source, response.fetched_at) == ("yahoo", NOW)
    assert response.headers == [("Content-Type", "text/csv"), ("X-Library", "yfinance 9.9")]
    assert response.body.splitlines()[1].startswith(b"2024-03-08 00:00:00-05:00,10.5,")


async def test_a_library_with_settings_is_told_there_to_raise_its_errors() -> None:
    config = SimpleNamespace(debug=SimpleNamespace(hide_exceptions=True))
    library, asked = _library(frame({}), config=config)
    await Yahoo(library).fetch("SPY", PERIOD, lambda: NOW)
    assert config.debug.hide_exceptions is False
    assert "raise_errors" not in asked[0]


@pytest.mark.parametrize(
    ("error", "why", "for_good"),
    [
        (YFRateLimitError("Too Many Requests."), "YFRateLimitError: Too Many Requests.", True),
        (OSError("no\nroute\x00"), "OSError: no route ", False),
        (TypeError("x" * 1000), "TypeError: " + "x" * 189, False),
    ],
    ids=["too many requests", "network", "whatever"],
)
async def test_whatever_the_library_raises_is_no_opinion(error: Exception, why: str, for_good: bool) -> None:
    library, _ = _library(error)
    with pytest.raises(NoSecondOpinion) as refusal:
        await Yahoo(library).fetch("SPY", PERIOD, lambda: NOW)
    assert (refusal.value.why, refusal.value.for_good) == (why, for_good)
