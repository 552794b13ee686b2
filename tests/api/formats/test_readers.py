"""The lines that a notebook reads an answer with, as they stand in the README, against the real API."""

import datetime as dt
import urllib.request
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pyarrow as pa
import pytest

from tests.api.market import BARS
from tests.api.served import Client

CLOSES = [bar.close for bar in BARS if bar.ticker == "SEVN"]
SESSIONS = [bar.session for bar in BARS if bar.ticker == "SEVN"]
VWAPS = [bar.vwap for bar in BARS if bar.ticker == "SEVN"]


@pytest.fixture(scope="session")
def api(client: Client) -> str:
    """Return the address of the routes."""
    return f"{client.origin}/api/v1"


def check(columns: dict[str, list[Any]], first: int) -> None:
    """Check a symbol's columns, as Python's values, from its `first` bar on."""
    assert columns["close"] == CLOSES[first:]
    assert [str(session)[:10] for session in columns["session"]] == [str(session) for session in SESSIONS[first:]]
    assert [None if pd.isna(vwap) else vwap for vwap in columns["vwap"]] == VWAPS[first:]
    assert columns["validated"] == [True, True, True, False, False][first:]


@pytest.mark.parametrize(("query", "first"), [("adjusted=none", 0), ("adjusted=none&start=2014-06-06", 1)])
async def test_pandas_reads_a_url(api: str, query: str, first: int) -> None:
    frame = pd.read_csv(f"{api}/historical/SEVN.csv?{query}", parse_dates=["session"])
    assert frame["session"].dtype.kind == "M"
    check(frame.to_dict("list"), first)
    frame = pd.read_parquet(f"{api}/historical/SEVN.parquet?{query}")
    assert frame["session"].iloc[0] == SESSIONS[first]
    check(frame.to_dict("list"), first)
    assert [list(failed) for failed in frame["failed_rules"]][-1] == ["high_brackets", "volume_anomaly"]
    check(pd.read_json(f"{api}/historical/SEVN.ndjson?{query}", lines=True).to_dict("list"), first)


@pytest.mark.parametrize(("query", "first"), [("adjusted=none", 0), ("adjusted=none&start=2014-06-06", 1)])
async def test_polars_reads_a_url(api: str, query: str, first: int) -> None:
    url = f"{api}/historical/SEVN"
    frames = [
        pl.read_csv(f"{url}.csv?{query}", try_parse_dates=True),
        pl.read_parquet(f"{url}.parquet?{query}"),
        pl.scan_parquet(f"{url}.parquet?{query}").collect(),
        pl.read_ipc_stream(f"{url}.arrow?{query}"),
    ]
    for frame in frames:
        assert frame.schema["session"] == pl.Date
        assert frame.schema["close"] == pl.Float64
        check(frame.to_dict(as_series=False), first)
    check(pl.read_ndjson(f"{url}.ndjson?{query}").to_dict(as_series=False), first)
    lazy = pl.scan_parquet(f"{url}.parquet?{query}").filter(pl.col("session") > dt.date(2014, 6, 9)).select("close")
    assert lazy.collect()["close"].to_list() == CLOSES[3:]


async def test_arrow_is_read_from_a_url(api: str) -> None:
    with urllib.request.urlopen(f"{api}/historical/SEVN.arrow?adjusted=none") as answer:
        table = pa.ipc.open_stream(answer).read_all()
    check(table.to_pydict(), 0)


async def test_columns_of_a_url_are_read_in_their_order(api: str) -> None:
    frame = pd.read_csv(f"{api}/historical/SEVN.csv?adjusted=none&columns=close,session")
    assert list(frame.columns) == ["close", "session"]


async def test_the_whole_market_of_a_session_is_read_from_a_url(api: str) -> None:
    day = [bar for bar in BARS if bar.session == dt.date(2014, 6, 5)]
    frame = pl.read_parquet(f"{api}/market/2014-06-05.parquet?adjusted=none")
    assert dict(zip(frame["symbol"], frame["close"], strict=True)) == {bar.ticker: bar.close for bar in day}


async def test_each_representation_is_held_by_its_own_tag(client: Client) -> None:
    asked = [
        {"Accept": accept, "Accept-Encoding": coding}
        for accept in ("application/json", "text/csv")
        for coding in ("identity", "gzip")
    ]
    tags = [(await client.ask("/api/v1/historical/SEVN", headers=headers)).headers["etag"] for headers in asked]
    assert len(set(tags)) == 4
    for headers in asked:
        held = [await client.ask("/api/v1/historical/SEVN", headers={**headers, "If-None-Match": tag}) for tag in tags]
        assert [answer.status for answer in held].count(304) == 1
