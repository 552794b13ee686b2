"""Decoding flat files: every line becomes a bar or a rejection with every reason, whatever order the columns have."""

import datetime as dt
import gzip
import math
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.calendar import exchange_calendar
from archive.payload import Response, Transfer
from project.audit.session import audit_session
from project.batch import Batch
from project.decode import BarContext
from project.decode_flat import decode_flat_bars
from project.errors import UndecodablePayload
from project.rebuild import rebuild
from project.rejection import Rejection
from project.rows import VALUES, Tickers
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.flat_payloads import COLUMNS, flat_bar, flat_csv, flat_file, flat_response, zipped
from tests.payloads import FETCHED_AT, archive_all, as_payload, bar, grouped_response
from tests.project.columns import EPOCH
from tests.project.market_files import lines
from tests.project.random_archive import small_ruleset
from tests.project.tables import all_tables

DAY = dt.date(2024, 6, 4)
GOOD = flat_bar("AAPL", DAY, (10.0, 12.0, 9.5, 11.0), 1000.0, 42.0)
HEADER = ",".join(COLUMNS)

Bar = tuple[str, dt.date, tuple[float, ...]]


def _decode(response: Response) -> tuple[list[Bar], list[Rejection]]:
    batch = Batch(exchange_calendar(), small_ruleset(), {})
    batch.add(as_payload(response, 7))
    bars = [
        (batch.tickers.names[code], EPOCH + dt.timedelta(days=day), tuple(values))
        for rows in batch.bars
        for code, day, values in zip(rows.ticker.tolist(), rows.day.tolist(), rows.values.T.tolist(), strict=True)
    ]
    for rows in batch.bars:
        assert set(rows.archive_seq.tolist()) <= {7}
        assert set(rows.known_from.tolist()) <= {int(FETCHED_AT.timestamp()) * 1_000_000}
    return bars, batch.rejections


def _decode_rows(*rows: dict[str, str]) -> tuple[list[Bar], list[Rejection]]:
    return _decode(flat_response(DAY, rows))


def _decode_text(text: str) -> tuple[list[Bar], list[Rejection]]:
    return _decode(flat_response(DAY, zipped(text.encode())))


def test_every_field_lands_in_its_column_and_there_is_no_vwap() -> None:
    [(ticker, session, values)], rejections = _decode_rows(GOOD)
    assert (ticker, session, rejections) == ("AAPL", DAY, [])
    found = dict(zip(VALUES, values, strict=True))
    assert math.isnan(found.pop("vwap"))
    assert found == {"open": 10.0, "high": 12.0, "low": 9.5, "close": 11.0, "volume": 1000.0, "trades": 42.0}


@given(st.permutations([*COLUMNS, "otc", "note"]))
def test_columns_are_found_by_name_in_any_order_and_unknown_ones_passed_over(columns: list[str]) -> None:
    rows = [{**flat_bar(name, DAY, price), "note": "x"} for name, price in (("BCPC", 1.0), ("BCpC", 2.0))]
    bars, rejections = _decode(flat_response(DAY, flat_file(rows, columns)))
    assert ([(ticker, values[0]) for ticker, _, values in bars], rejections) == ([("BCPC", 1.0), ("BCpC", 2.0)], [])


@pytest.mark.parametrize("ticker", ["NA", "NAN", "NaN", "nan", "TRUE", "True", "NULL", "None", "INF", "1E5", "000"])
def test_a_ticker_is_text_whatever_it_looks_like(ticker: str) -> None:
    [(found, _, _)], rejections = _decode_rows(GOOD | {"ticker": ticker})
    assert (found, rejections) == (ticker, [])


@pytest.mark.parametrize("session", exchange_calendar().between(dt.date(2024, 3, 7), dt.date(2024, 3, 13)))
@pytest.mark.parametrize("shift", [0, 16 * 3600, 24 * 3600 - 3601], ids=["midnight", "close", "evening"])
def test_window_start_is_the_date_in_new_york_across_a_change_of_clocks(session: dt.date, shift: int) -> None:
    row = flat_bar("AAPL", session)
    row["window_start"] = str(int(row["window_start"]) + shift * 1_000_000_000)
    [(_, found, _)], _ = _decode(flat_response(session, [row]))
    assert found == session


@pytest.mark.parametrize(
    ("text", "value"),
    [("38649398.679189", 38649398.679189), ("6.1436228189065e+07", 61436228.189065), ("1E5", 1e5), ("-5", -5.0)],
)
def test_a_number_may_have_decimals_and_an_exponent(text: str, value: float) -> None:
    [(_, _, values)], _ = _decode_rows(GOOD | {"volume": text})
    assert values[4] == value


@pytest.mark.parametrize("absent", [True, False], ids=["no such column", "empty"])
def test_trades_may_be_left_out(absent: bool) -> None:
    columns = [name for name in COLUMNS if not (absent and name == "transactions")]
    [(_, _, values)], rejections = _decode(flat_response(DAY, flat_file([GOOD | {"transactions": ""}], columns)))
    assert rejections == []
    assert math.isnan(values[6])
    assert values[:5] == (10.0, 12.0, 9.5, 11.0, 1000.0)


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "transactions"])
def test_a_file_without_a_column_that_a_bar_needs_stops_the_replay_and_names_it(column: str) -> None:
    columns = [name for name in COLUMNS if name != column]
    with pytest.raises(UndecodablePayload, match=rf"payload 7 .*'{column}'"):
        _decode(flat_response(DAY, flat_file([GOOD], columns)))


@pytest.mark.parametrize("column", COLUMNS)
def test_a_file_with_a_column_twice_stops_the_replay(column: str) -> None:
    with pytest.raises(UndecodablePayload, match=f"'{column}'"):
        _decode(flat_response(DAY, flat_file([GOOD], [*COLUMNS, column])))


NO_FILES: dict[str, bytes] = {
    "empty": b"",
    "no gzip": flat_csv([GOOD]),
    "HTML": b"<html><body>maintenance, sorry</body></html>",
    "cut short": flat_file([GOOD] * 50)[:-20],
    "garbled": flat_file([GOOD])[:-6] + b"\x00\x00\x00\x00\x00\x00",
    "garbled within": flat_file([GOOD])[:20] + b"\xff" * 20 + flat_file([GOOD])[40:],
    "gzip of nothing": zipped(b""),
    "gzip of HTML": zipped(b'<!DOCTYPE html>\n<html lang="a,b">x</html>'),
    "gzip of XML": zipped(b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'),
    "gzip of JSON": zipped(b'{"status":"OK","results":[]}'),
    "gzip of a sentence": zipped(b"Sorry, we are down\n"),
    "gzip of bytes": zipped(bytes(range(256)) * 4),
    "header only": zipped(HEADER.encode()),
    "header and blank lines": zipped(f"{HEADER}\n\n\r\n\n".encode()),
}


@pytest.mark.parametrize("body", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_file_or_has_no_line_holds_no_rows_and_stops_nothing(body: bytes) -> None:
    assert _decode(flat_response(DAY, body)) == ([], [])


@pytest.mark.parametrize(("status", "transfer"), [(404, Transfer.COMPLETE), (503, Transfer.COMPLETE), (200, "cut")])
def test_an_error_and_a_body_cut_short_hold_no_rows(status: int, transfer: str) -> None:
    how = Transfer.CUT_SHORT if transfer == "cut" else Transfer.COMPLETE
    assert _decode(flat_response(DAY, [GOOD], status=status, transfer=how)) == ([], [])


def test_more_text_than_any_day_can_have_is_no_file() -> None:
    blank = gzip.compress(b"\n" * (1 << 28), compresslevel=1)
    assert _decode(flat_response(DAY, zipped(flat_csv([GOOD])) + blank)) == ([], [])


@pytest.mark.parametrize(("times", "bars"), [(100, 1), (101, 0)])
def test_a_file_of_minutes_is_no_file_of_days(times: int, bars: int) -> None:
    midnight = int(GOOD["window_start"])
    rows = [GOOD | {"window_start": str(midnight + minute * 60 * 10**9)} for minute in range(times)]
    found, rejections = _decode_rows(*rows)
    assert (len(found), len(rejections)) == (bars, bars * (times - 1))


LAYOUTS: dict[str, bytes] = {
    "as published": flat_file([GOOD]),
    "no last line end": zipped(flat_csv([GOOD]).rstrip(b"\n")),
    "CRLF": zipped(flat_csv([GOOD]).replace(b"\n", b"\r\n")),
    "byte order mark": zipped(b"\xef\xbb\xbf" + flat_csv([GOOD])),
    "blank lines": zipped(flat_csv([GOOD]).replace(b"\n", b"\n\n")),
    "two members": zipped(HEADER.encode()) + zipped(flat_csv([GOOD]).removeprefix(HEADER.encode())),
    "padded with zeros": flat_file([GOOD]) + bytes(512),
    "quoted": zipped("\n".join(",".join(f'"{x}"' for x in row) for row in (GOOD, GOOD.values())).encode()),
    "quoted comma in a column nobody needs": zipped(
        f'note,{HEADER}\n"a, b",{",".join(GOOD.values())}\n'.encode(),
    ),
}


@pytest.mark.parametrize("body", LAYOUTS.values(), ids=LAYOUTS)
def test_the_same_file_may_be_written_in_several_ways(body: bytes) -> None:
    [(ticker, session, values)], rejections = _decode(flat_response(DAY, body))
    assert (ticker, session, values[:5], rejections) == ("AAPL", DAY, (10.0, 12.0, 9.5, 11.0, 1000.0), [])


OTHER_DAY = flat_bar("AAPL", dt.date(2024, 6, 5))["window_start"]
SUNDAY = flat_bar("AAPL", dt.date(2024, 6, 2))["window_start"]
REASONS: list[tuple[dict[str, str], list[str], str | None, dt.date | None]] = [
    *(({name: ""}, [f"missing_{name}"], "AAPL", DAY) for name in VALUES[:5]),
    *(
        ({"close": text}, ["not_a_number_close"], "AAPL", DAY)
        for text in ("ten", "nan", "NaN", "inf", "-Infinity", "1e999", "1_000", " 1", "1 ", "0x1", "١", "--1", "e", "+")
    ),
    ({"transactions": "many"}, ["not_a_number_trades"], "AAPL", DAY),
    ({"transactions": "1e999"}, ["not_a_number_trades"], "AAPL", DAY),
    ({"window_start": ""}, ["missing_time"], "AAPL", None),
    ({"window_start": "2024-06-04"}, ["not_a_number_time"], "AAPL", None),
    ({"window_start": "1e30"}, ["time_unknown"], "AAPL", None),
    ({"window_start": OTHER_DAY}, ["outside_range"], "AAPL", dt.date(2024, 6, 5)),
    ({"window_start": OTHER_DAY[:-6]}, ["outside_range"], "AAPL", dt.date(1969, 12, 31)),
    ({"window_start": SUNDAY}, ["outside_range", "not_a_session"], "AAPL", dt.date(2024, 6, 2)),
    ({"ticker": ""}, ["missing_ticker"], None, DAY),
    ({"ticker": "A\0B"}, ["control_in_ticker"], "A\\u0000B", DAY),
    ({"ticker": "A\x85B"}, ["control_in_ticker"], "A\x85B", DAY),
    ({"ticker": "A B"}, ["control_in_ticker"], "A B", DAY),
    ({"ticker": "ÄAPL"}, ["control_in_ticker"], "ÄAPL", DAY),
    ({"ticker": "ZVZZT"}, ["test_ticker"], "ZVZZT", DAY),
    (
        {"ticker": "ZVZZT", "open": "x", "high": "", "volume": "1e999", "window_start": OTHER_DAY},
        ["not_a_number_open", "missing_high", "not_a_number_volume", "outside_range", "test_ticker"],
        "ZVZZT",
        dt.date(2024, 6, 5),
    ),
]


@pytest.mark.parametrize(("spoiled", "reasons", "ticker", "session"), REASONS, ids=lambda value: str(value)[:40])
def test_a_line_that_cannot_be_a_bar_is_rejected_with_every_reason(
    spoiled: dict[str, str], reasons: list[str], ticker: str | None, session: dt.date | None
) -> None:
    row = GOOD | spoiled
    bars, [rejection] = _decode_rows(flat_bar("MSFT", DAY), row, flat_bar("SPY", DAY))
    assert [bar_[0] for bar_ in bars] == ["MSFT", "SPY"]
    assert sorted(rejection.reasons) == sorted(reasons)
    assert (rejection.archive_seq, rejection.row_index) == (7, 1)
    assert (rejection.ticker, rejection.session) == (ticker, session)
    assert rejection.row_text == ",".join(row.values()).replace("\0", "\\x00").replace("\x85", "\\x85")


def test_bytes_that_are_no_text_are_kept_escaped() -> None:
    body = flat_csv([GOOD | {"ticker": "@"}]).replace(b"@", b"\xff\x22\xfe")
    _, [rejection] = _decode(flat_response(DAY, zipped(body)))
    assert "control_in_ticker" in rejection.reasons
    assert rejection.ticker == '\\xff"\\xfe'
    assert rejection.row_text.startswith('\\xff"\\xfe,1000,')


@pytest.mark.parametrize("line", ["AAPL", "AAPL,1,2", ",".join([*GOOD.values(), "1"]), '"AAPL,1,2,3', "A\rB"])
def test_a_line_with_more_or_fewer_fields_than_the_header_is_rejected_alone(line: str) -> None:
    good = ",".join(GOOD.values())
    bars, [rejection] = _decode_text(f"{HEADER}\n{line}\n{good}\n")
    assert [bar_[0] for bar_ in bars] == ["AAPL"]
    assert "not_an_object" in rejection.reasons
    assert (rejection.row_index, rejection.row_text) == (0, line.replace("\r", "\\x0d"))


def test_lines_too_long_and_too_short_do_not_make_up_for_each_other() -> None:
    values = ["5", *list(GOOD.values())[1:]]
    bars, rejections = _decode_text("\n".join([HEADER, ",".join(values[:-1]), ",".join([*values, "1"])]))
    assert (bars, [row.row_index for row in rejections]) == ([], [0, 1])


def test_a_quote_that_is_never_closed_swallows_no_other_line() -> None:
    rows = [flat_bar(name, DAY) for name in ("A", '"B', "C", "D")]
    bars, rejections = _decode_rows(*rows)
    assert [bar_[0] for bar_ in bars] == ["A", "C", "D"]
    assert len(rejections) == 1


def test_of_two_lines_for_a_ticker_the_first_stands() -> None:
    bars, [rejection] = _decode_rows(GOOD, flat_bar("BCpC", DAY), GOOD | {"close": "99"}, flat_bar("BCPC", DAY))
    assert [(ticker, values[3]) for ticker, _, values in bars] == [("AAPL", 11.0), ("BCpC", 10.0), ("BCPC", 10.0)]
    assert (rejection.row_index, rejection.reasons) == (2, ("duplicate_key",))


def test_a_file_stamped_with_another_session_is_rejected_line_by_line() -> None:
    """As the vendor's file of 2019-08-12, which says 2019-08-13."""
    asked, stamped = dt.date(2019, 8, 12), dt.date(2019, 8, 13)
    bars, rejections = _decode(flat_response(asked, [flat_bar(name, stamped) for name in ("A", "B", "C")]))
    assert bars == []
    assert [(row.ticker, row.session, row.reasons) for row in rejections] == [
        (name, stamped, ("outside_range",)) for name in ("A", "B", "C")
    ]


FIELD = st.sampled_from(["", "1", "2.5", "1e9", "nan", "x", '"', '"1"', "A\0", "é", "ZVZZT", GOOD["window_start"]])
LINE = st.lists(FIELD, min_size=1, max_size=10).map(",".join)
FULL = st.tuples(st.sampled_from("ABCD"), st.sampled_from(["1", "2", "", "x"])).map(
    lambda pick: ",".join((GOOD | {"ticker": pick[0], "low": pick[1]}).values())
)


@given(st.lists(LINE | FULL, max_size=12))
def test_no_line_is_ever_lost(raw: list[str]) -> None:
    bars, rejections = _decode_text("\n".join([HEADER, *raw]))
    written = [line for line in raw if line]
    assert len(bars) + len(rejections) == len(written)
    indices = {row.row_index for row in rejections}
    assert len(indices) == len(rejections)
    assert indices <= set(range(len(written)))
    assert all(row.reasons and "\0" not in row.row_text for row in rejections)


@given(st.lists(FULL, min_size=1, max_size=12, unique_by=lambda line: line[0]))
def test_reading_whole_columns_and_line_by_line_is_the_same(raw: list[str]) -> None:
    text = "\n".join([HEADER, *raw])
    spoiled = f"{text}\nspoiled"
    bars, rejections = _decode_text(text)
    by_line, [*others, _] = _decode_text(spoiled)
    assert [repr(bar_) for bar_ in by_line] == [repr(bar_) for bar_ in bars]
    assert others == rejections


def test_a_body_under_the_name_of_another_format_holds_no_rows() -> None:
    as_rest = msgspec.structs.replace(flat_response(DAY, [GOOD]), source="polygon")
    as_flat = msgspec.structs.replace(grouped_response(DAY, [bar(DAY, ticker="AAPL")]), source="massive_flat")
    assert _decode(as_rest) == _decode(as_flat) == ([], [])


async def test_flat_files_and_grouped_answers_of_the_same_values_make_the_same_projection(
    project_pool: asyncpg.Pool, ingest_pool: asyncpg.Pool, empty: Callable[[], Awaitable[None]], market_data: Path
) -> None:
    sessions = exchange_calendar().between(dt.date(2016, 5, 23), dt.date(2016, 5, 27))
    quotes = {day: list(lines(market_data / "grouped" / f"{day}.csv.gz"))[:400] for day in sessions}
    found = []
    for make in (_grouped_of, _flat_of):
        await empty()
        await archive_all(ingest_pool, [make(day, quotes[day]) for day in sessions])
        generation = (await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: FETCHED_AT)).generation
        tables = await all_tables(project_pool)
        assert tables["rejection"] == []
        found.append((generation.content_hash, generation.provenance_hash, tables["bar"]))
    assert found[0] == found[1]
    assert len(found[0][2]) > 1_900


def _grouped_of(session: dt.date, quotes: list[dict[str, str]]) -> Response:
    return grouped_response(session, [bar(session, *_values(quote), ticker=quote["symbol"]) for quote in quotes])


def _flat_of(session: dt.date, quotes: list[dict[str, str]]) -> Response:
    return flat_response(session, [flat_bar(quote["symbol"], session, *_values(quote), None) for quote in quotes])


def _values(quote: dict[str, str]) -> tuple[list[float], float]:
    return [float(quote[name]) for name in ("open", "high", "low", "close")], float(quote["volume"])


async def test_a_flat_file_after_answers_of_the_same_values_restates_nothing(
    project_pool: asyncpg.Pool, ingest_pool: asyncpg.Pool
) -> None:
    names = ("AAPL", "BCpC", "BCPC")
    rest = [bar(DAY, (10.0, 12.0, 9.5, 11.0), 2e6, ticker=name, vwap=10.75, trades=7.0) for name in names]
    flat = [flat_bar(name, DAY, (10.0, 12.0, 9.5, 11.0), 2e6, 7.0) for name in names]
    await archive_all(ingest_pool, [grouped_response(DAY, rest), flat_response(DAY, flat)])
    await rebuild(project_pool, small_ruleset(), lambda: FETCHED_AT)
    tables = await all_tables(project_pool)
    assert tables["bar_revision"] == []
    assert {row["vwap"] for row in await project_pool.fetch("SELECT vwap FROM projection.bar")} == {10.75}


async def test_the_audit_counts_the_lines_of_a_flat_file(project_pool: asyncpg.Pool, ingest_pool: asyncpg.Pool) -> None:
    flat = [flat_bar("AAPL", DAY), flat_bar("AAPL", DAY), flat_bar("MSFT", DAY), GOOD | {"ticker": "A B"}]
    await archive_all(ingest_pool, [flat_response(DAY, flat), grouped_response(DAY, [bar(DAY, 11.0, ticker="MSFT")])])
    await rebuild(project_pool, small_ruleset(), lambda: FETCHED_AT)
    async with project_pool.acquire() as connection:
        audit = await audit_session(connection, DAY)
    assert (audit.payloads, audit.raw_rows) == (2, 5)
    assert (audit.current, audit.superseded, audit.rejected) == (2, 1, 2)
    assert sorted(each.kind for each in audit.differences if each.kind != "flagged") == [
        "rejected",
        "rejected",
        "restated",
    ]


def test_decoding_needs_no_batch() -> None:
    context = BarContext(exchange_calendar(), frozenset())
    rows, rejections = decode_flat_bars(as_payload(flat_response(DAY, [GOOD])), Tickers(), context)
    assert (len(rows), rejections) == (1, [])
