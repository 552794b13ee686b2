"""The charting library's UDF datafeed, written from its protocol and not from our code: what it asks and what it takes.

Source: the pages "UDF", "Datafeed API" and "LibrarySymbolInfo" of the library's documentation. It reads the body of any
status, knows no parameter of ours, and sends some that are none of the protocol's table (firstDataRequest,
currencyCode); it searches in capitals; `to` is not inclusive; `countback` goes before `from`.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from tests.api.served import Client

Json = dict[str, Any]

_RESOLUTION = re.compile(r"[1-9]\d*[TSDWM]?|[DWM]")
_SESSION = re.compile(r"\d{4}-\d{4}")
_SEARCH_LIMIT = 30
_MARKS_A_BAR = 10
_MARK_COLORS = {"red", "green", "blue", "yellow"}
_DAY_S = 86_400


class DatafeedError(Exception):
    """The datafeed said s=error; the chart shows the message."""


class Datafeed:
    """Asks one datafeed as the library does and checks the type of each field that it reads."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.configuration: Json = {}

    async def ready(self) -> Json:
        """Return the configuration."""
        configuration: Json = await self._send("config")
        self.configuration = configuration
        assert configuration["supports_search"] or configuration["supports_group_request"]
        for name in ("supports_search", "supports_group_request", "supports_marks", "supports_timescale_marks"):
            assert isinstance(configuration[name], bool)
        assert all(_RESOLUTION.fullmatch(text) for text in configuration["supported_resolutions"])
        for exchange in configuration["exchanges"]:
            assert {name: type(exchange[name]) for name in ("value", "name", "desc")} == dict.fromkeys(
                ("value", "name", "desc"), str
            )
        assert all(
            isinstance(kind["name"], str) and isinstance(kind["value"], str) for kind in configuration["symbols_types"]
        )
        return configuration

    async def server_time(self) -> int:
        """Return the time of the server, which is a bare number."""
        assert self.configuration["supports_time"]
        answer = await self.client.ask("/udf/time")
        assert answer.headers["content-type"].startswith("text/plain")
        assert re.fullmatch(rb"\d{10}", answer.body)
        return int(answer.body)

    async def search(self, text: str, *, exchange: str = "", kind: str = "") -> list[Json]:
        """Return what the search box shows."""
        query = {"limit": _SEARCH_LIMIT, "query": text.upper(), "type": kind, "exchange": exchange}
        found: list[Json] = await self._send("search", query)
        assert isinstance(found, list)
        assert len(found) <= _SEARCH_LIMIT
        for one in found:
            for name in ("symbol", "full_name", "description", "exchange", "ticker", "type"):
                assert isinstance(one[name], str)
                assert one[name]
        return found

    async def resolve(self, ticker: str) -> Json:
        """Return how a symbol is to be shown."""
        info: Json = await self._send("symbols", {"symbol": ticker})
        if "s" in info:
            raise DatafeedError(info["errmsg"])
        for name in ("name", "ticker", "description", "type", "session", "timezone", "exchange", "listed_exchange"):
            assert isinstance(info[name], str)
            assert info[name]
        assert _SESSION.fullmatch(info["session"])
        assert ZoneInfo(info["timezone"])
        assert info["format"] in ("price", "volume")
        for name in ("minmov", "pricescale"):
            assert type(info[name]) is int
            assert info[name] > 0
        # A price step is a power of ten: the library shows prices with as many decimals.
        assert set(str(info["pricescale"])) <= {"1", "0"}
        for name in ("has_intraday", "has_daily", "has_weekly_and_monthly"):
            assert isinstance(info[name], bool)
        assert type(info["volume_precision"]) is int
        assert info["data_status"] in ("streaming", "endofday", "delayed_streaming")
        assert set(info["supported_resolutions"]) <= set(self.configuration["supported_resolutions"])
        assert all(isinstance(step, str) for step in (*info["weekly_multipliers"], *info["monthly_multipliers"]))
        return info

    async def all_symbols(self, group: str) -> list[Json]:
        """Return the table of a group's symbols as one row each; a column that is one value holds for every row."""
        table: Json = await self._send("symbol_info", {"group": group})
        assert all(len(column) == len(table["symbol"]) for column in _row_wise(table).values())
        rows = []
        for place, symbol in enumerate(table["symbol"]):
            row = table | {name: column[place] for name, column in _row_wise(table).items()}
            for name in ("exchange-listed", "exchange-traded", "description", "type", "timezone", "session-regular"):
                assert isinstance(row[name], str)
                assert row[name]
            assert type(row["minmovement"]) is int
            assert type(row["pricescale"]) is int
            assert isinstance(row["has-intraday"], bool)
            assert row["symbol"] == symbol
            rows.append(row)
        return rows

    async def bars(
        self, info: Json, resolution: str, *, begin: int, end: int, countback: int | None = None, is_first: bool = False
    ) -> Json:
        """Return one answer of history, ok or no_data."""
        query: Json = {"symbol": info["ticker"], "resolution": resolution, "from": begin, "to": end}
        if countback is not None:
            query["countback"] = countback
        query["firstDataRequest"] = str(is_first).lower()
        if "currency_code" in info:
            query["currencyCode"] = info["currency_code"]
        page: Json = await self._send("history", query)
        if page["s"] == "error":
            raise DatafeedError(page["errmsg"])
        if page["s"] == "no_data":
            assert set(page) <= {"s", "nextTime"}
            if "nextTime" in page:
                assert type(page["nextTime"]) is int
                assert page["nextTime"] % _DAY_S == 0
                assert page["nextTime"] < end
            return page
        assert page["s"] == "ok"
        times = page["t"]
        assert times
        assert all(type(time) is int and time % _DAY_S == 0 for time in times)
        assert times == sorted(set(times))
        assert times[-1] < end
        assert countback or times[0] >= begin
        for name in ("o", "h", "l", "c", "v"):
            assert len(page[name]) == len(times)
            assert all(type(value) in (int, float) for value in page[name])
        return page

    async def all_bars(self, info: Json, resolution: str, *, now: int, countback: int) -> AsyncIterator[Json]:
        """Yield the pages from the newest backwards, as a chart asks that is dragged to its beginning."""
        end, is_first = now, True
        while True:
            page = await self.bars(
                info, resolution, begin=end - countback * _DAY_S, end=end, countback=countback, is_first=is_first
            )
            if page["s"] == "no_data":
                # Nothing is left before; a nextTime would be a bar that was not given.
                assert "nextTime" not in page
                return
            assert len(page["t"]) <= countback
            yield page
            end, is_first = page["t"][0], False

    async def marks(self, info: Json, resolution: str, *, begin: int, end: int) -> list[Json]:
        """Return the marks on bars of a range, one record each."""
        table: Json = await self._send(
            "marks", {"symbol": info["ticker"], "from": begin, "to": end, "resolution": resolution}
        )
        names = ("id", "time", "color", "text", "label", "labelFontColor", "minSize")
        marks = [dict(zip(names, values, strict=True)) for values in zip(*(table[name] for name in names), strict=True)]
        for mark in marks:
            assert mark["color"] in _MARK_COLORS
            assert type(mark["minSize"]) is int
            assert all(isinstance(mark[name], str) and mark[name] for name in ("text", "label", "labelFontColor"))
        _check_places(marks, begin, end)
        return marks

    async def timescale_marks(self, info: Json, resolution: str, *, begin: int, end: int) -> list[Json]:
        """Return the marks on the axis of a range."""
        marks: list[Json] = await self._send(
            "timescale_marks", {"symbol": info["ticker"], "from": begin, "to": end, "resolution": resolution}
        )
        for mark in marks:
            assert isinstance(mark["color"], str)
            assert isinstance(mark["label"], str)
            assert all(isinstance(line, str) for line in mark["tooltip"])
        _check_places(marks, begin, end)
        return marks

    async def _send(self, path: str, query: Json | None = None) -> Any:
        answer = await self.client.ask(f"/udf/{path}" + (f"?{urlencode(query)}" if query else ""))
        return json.loads(answer.body)


def _row_wise(table: Json) -> dict[str, list[Any]]:
    """Return the columns of a table that have an entry for each row; these are not."""
    same = {"supported-resolutions"}
    return {name: column for name, column in table.items() if isinstance(column, list) and name not in same}


def _check_places(marks: list[Json], begin: int, end: int) -> None:
    assert len({mark["id"] for mark in marks}) == len(marks)
    times = [mark["time"] for mark in marks]
    assert all(type(time) is int and begin <= time <= end for time in times)
    assert all(times.count(time) <= _MARKS_A_BAR for time in set(times))
