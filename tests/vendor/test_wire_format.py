"""The fake vendor's bytes against recorded ones, and its number format as a property."""

import json
import zlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_polygon import Plan
from tests.fake_polygon.ask import Ask
from tests.fake_polygon.body import Body
from tests.fake_polygon.envelope import beginning, reply
from tests.fake_polygon.market import ABSENT, NULL, BarColumns, BarRow
from tests.fake_polygon.number import number, numbers
from tests.fake_polygon.refusals import (
    BEFORE_END_OF_DAY,
    NO_DATA,
    NO_KEY,
    NOT_ENTITLED,
    OLDER_THAN_PLAN,
    TOO_MANY,
    UNKNOWN_KEY,
    refusal_body,
)
from tests.fake_polygon.rows import range_rows, session_rows
from tests.fake_polygon.sessions import new_york_date

RECORDED_RANGES = (
    "v2_aggs_range_1_day_AAPL_2024-12-30_2025-01-07.raw.json",
    "v2_aggs_range_1_day_AAPL_2025-01-15_2025-01-17.raw.json",
    "v2_aggs_AAPL_day_2023-01-01_2023-01-10.json",
)


def asking(request_id: str, kind: str = "range") -> Ask:
    return Ask(kind, (), {}, Plan(), datetime(2025, 1, 8, tzinfo=UTC), request_id, "http://vendor")


def columns(rows: list[dict[str, Any]]) -> BarColumns:
    names = ("o", "h", "l", "c", "v", "vw", "n")
    return BarColumns.of(
        BarRow(
            new_york_date(datetime.fromtimestamp(row["t"] / 1000, UTC)),
            *(float(row.get(name, ABSENT)) for name in names),
        )
        for row in rows
    )


@pytest.mark.parametrize("name", RECORDED_RANGES)
def test_a_recorded_range_is_reproduced_byte_for_byte_from_its_values(name: str, market_data: Path) -> None:
    recorded = (market_data / "recorded" / name).read_bytes().removesuffix(b"\n")
    parsed = json.loads(recorded)
    rows = range_rows(columns(parsed["results"]))
    ask = asking(parsed["request_id"])
    body = beginning(ask, parsed["ticker"], parsed["adjusted"], len(rows), rows.cut(0, len(rows)))
    made = reply(ask, body, len(rows))
    assert made.body.plain(made.end) == recorded


def test_a_recorded_previous_close_is_reproduced_byte_for_byte(market_data: Path) -> None:
    recorded = (market_data / "recorded" / "v2_aggs_prev_AAP_2024-11-25.raw.json").read_bytes().removesuffix(b"\n")
    parsed = json.loads(recorded)
    rows = session_rows([parsed["results"][0]["T"]], columns(parsed["results"]))
    ask = asking(parsed["request_id"], "prev")
    made = reply(ask, beginning(ask, parsed["ticker"], parsed["adjusted"], 1, rows.cut(0, 1)), 1)
    assert made.body.plain(made.end) == recorded


def test_recorded_grouped_rows_are_reproduced_byte_for_byte_with_missing_vwap_and_trades(market_data: Path) -> None:
    recorded = (market_data / "recorded" / "grouped_daily_2019-02-01.json").read_bytes()
    parsed = json.loads(recorded)["results"]
    assert any("vw" not in row for row in parsed)
    rows = session_rows([row["T"] for row in parsed], columns(parsed))
    assert rows.cut(0, len(rows)) in recorded


def test_refusals_read_as_recorded(market_data: Path) -> None:
    lines = (market_data / "recorded" / "errors.ndjson").read_text().splitlines()
    recorded = [(line["http"], line["body"]) for line in map(json.loads, lines)]
    texts = (NO_KEY, UNKNOWN_KEY, OLDER_THAN_PLAN, BEFORE_END_OF_DAY, NOT_ENTITLED, NO_DATA, TOO_MANY)
    assert len(recorded) == len(texts)
    for (status, body), text in zip(recorded, texts, strict=True):
        made = refusal_body(status, text, body["request_id"])
        assert made == json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (33166048.0, "3.3166048e+07"),
        (2e6, "2e+06"),
        (1e6, "1e+06"),
        (999999.0, "999999"),
        (999999.999999, "999999.999999"),
        (61436228.189065, "6.1436228189065e+07"),
        (245.0, "245"),
        (100.0, "100"),
        (0.59375, "0.59375"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-33166048.0, "-3.3166048e+07"),
        (0.0, "0"),
        (1e21, "1e+21"),
    ],
)
def test_a_number_is_printed_as_go_prints_it(value: float, printed: str) -> None:
    assert number(value) == printed
    assert numbers(np.array([value])) == [printed]


@settings(max_examples=300)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_every_printed_number_parses_back_to_itself(values: list[float]) -> None:
    printed = numbers(np.array(values))
    assert [float(text) for text in printed] == values
    assert printed == [number(x) if x else printed[i] for i, x in enumerate(values)]
    assert all(("e" in text) == (not 1e-4 <= abs(x) < 1e6) for text, x in zip(printed, values, strict=True) if x)


def test_a_number_left_out_is_absent_and_a_null_one_is_null() -> None:
    day = date(2024, 1, 2)
    rows = range_rows(
        BarColumns.of([BarRow(day, 1.0, ABSENT, 1.0, NULL, 5.0, 1.0), BarRow(day, 1.5, 2.0, 1.0, 1.5, 1e6, 1.25, 7.0)])
    )
    first, second = (json.loads(rows.cut(i, i + 1)) for i in range(2))
    assert first == {"v": 5, "vw": 1, "o": 1, "c": None, "l": 1, "t": 1704171600000}
    assert second == {"v": 1e6, "vw": 1.25, "o": 1.5, "c": 1.5, "h": 2, "l": 1, "t": 1704171600000, "n": 7}


def test_a_ticker_with_control_bytes_still_makes_valid_json() -> None:
    ticker = 'A"\\\x00\x07'
    rows = session_rows([ticker], BarColumns.of([BarRow(date(2024, 1, 2), 1, 1, 1, 1, 1)]))
    assert json.loads(rows.cut(0, 1))["T"] == ticker


def test_rows_are_cut_by_date_and_read_backwards() -> None:
    days = [date(2024, 1, d) for d in (2, 3, 4, 5)]
    rows = range_rows(BarColumns.of(BarRow(day, 1, 1, 1, 1, n) for n, day in enumerate(days)))
    span = rows.between(days[1], days[2])
    assert span == (1, 3)
    assert [row["v"] for row in json.loads(b"[" + rows.cut(*span) + b"]")] == [1, 2]
    assert [row["v"] for row in json.loads(b"[" + rows.backwards(*span) + b"]")] == [2, 1]
    assert rows.cut(2, 2) == b""


@given(st.binary(max_size=2000), st.lists(st.binary(max_size=100), min_size=1, max_size=3))
def test_a_gzipped_body_with_a_new_end_unpacks_to_the_whole(start: bytes, ends: list[bytes]) -> None:
    body = Body(start)
    for end in ends:
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        assert unpack.decompress(body.gzipped(end)) + unpack.flush() == start + end
        assert unpack.eof
        assert not unpack.unused_data
