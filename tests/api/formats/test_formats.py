"""Every format of a tabular answer: the same rows, each null, date and list as that format writes it."""

import datetime as dt
import io
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from tests.api.formats.tables import INSTANT, ROWS, Answer, Row
from tests.api.served import Client

HELD = pytest.mark.parametrize("held", ["structs", "table"])


def as_columns(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of an Arrow table."""
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def expected_rows() -> list[dict[str, Any]]:
    """Return the known rows as Arrow holds them."""
    rows = [{name: getattr(row, name) for name in Row.__struct_fields__} for row in ROWS]
    for row in rows:
        row["run_id"] = str(row["run_id"])
        row["origin"] = row["origin"] and msgspec.json.encode(row["origin"]).decode()
    return rows


@HELD
async def test_json_is_the_envelope_with_rows_in_place(tables: Client, held: str) -> None:
    answer = await tables.ask(f"/table/BRK.B?held={held}")
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json) == list(Answer.__struct_fields__)
    decoded = msgspec.json.decode(answer.body, type=Answer)
    assert (decoded.symbol, decoded.count, decoded.rows) == ("BRK.B", 3, list(ROWS))
    assert answer.json["rows"][0]["believed_from"] == "2026-11-20T07:00:00.250000Z"
    assert answer.json["rows"][1]["vwap"] is None


@HELD
async def test_json_by_columns_has_an_array_a_column(tables: Client, held: str) -> None:
    whole = (await tables.ask(f"/table/X?held={held}")).json
    by_columns = (await tables.ask(f"/table/X?held={held}&layout=columns")).json
    assert by_columns["rows"] == {name: [row[name] for row in whole["rows"]] for name in Row.__struct_fields__}
    assert {name: by_columns[name] for name in by_columns if name != "rows"} == {
        name: whole[name] for name in whole if name != "rows"
    }


@HELD
async def test_ndjson_is_a_row_a_line(tables: Client, held: str) -> None:
    answer = await tables.ask(f"/table/X.ndjson?held={held}")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert msgspec.json.Decoder(Row).decode_lines(answer.body) == list(ROWS)
    assert answer.body.endswith(b"\n")


@HELD
async def test_csv_leaves_null_empty_and_shows_that_a_number_may_have_decimals(tables: Client, held: str) -> None:
    answer = await tables.ask(f"/table/X.csv?held={held}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    run = "00000000-0000-0000-0000-00000000000b"
    assert answer.body.decode().split("\n", 3) == [
        "ticker,session,believed_from,close,vwap,trades,validated,failed_rules,note,size,run_id,origin",
        f"BRK.B,2014-06-09,2026-11-20T07:00:00.250000Z,93.7,93.5,7,true,,,,{run},",
        f'NA,2014-06-10,,94.0,,8,false,large_gap|volume_anomaly,"a ""b"", c",large,{run},'
        '"{""archive_seq"":2,""words"":[""x""]}"',
        f',2014-06-11,,1e+15,0.1,9,true,large_gap,"=ümlaut\n",small,{run},\n',
    ]


@HELD
async def test_arrow_has_the_rows_and_the_facts_in_its_metadata(tables: Client, held: str) -> None:
    answer = await tables.ask(f"/table/X.arrow?held={held}")
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    table = ipc.open_stream(answer.body).read_all()
    assert as_columns(table) == expected_rows()
    facts = msgspec.json.decode(table.schema.metadata[b"warehouse"])
    assert (facts["symbol"], facts["generation"]["checkpoint"], "rows" in facts) == ("X", 2, False)


@HELD
async def test_parquet_has_the_rows_and_the_facts_in_its_metadata(tables: Client, held: str) -> None:
    answer = await tables.ask(f"/table/X.parquet?held={held}")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = parquet.read_table(io.BytesIO(answer.body))
    assert as_columns(table) == expected_rows()
    assert msgspec.json.decode(table.schema.metadata[b"warehouse"])["count"] == 3


@HELD
async def test_an_answer_without_rows_has_its_columns_and_their_types_all_the_same(tables: Client, held: str) -> None:
    for suffix, read in (("arrow", lambda body: ipc.open_stream(body).read_all()), ("parquet", _parquet)):
        full = read((await tables.ask(f"/table/X.{suffix}?held={held}")).body)
        empty = read((await tables.ask(f"/table/X.{suffix}?held={held}&count=0")).body)
        assert empty.num_rows == 0
        assert empty.schema.equals(full.schema)
        assert empty.schema.field("session").type == pa.date32()
        assert empty.schema.field("believed_from").type == pa.timestamp("us", "UTC")
        assert empty.schema.field("failed_rules").type.value_type == pa.string()
    csv = await tables.ask(f"/table/X.csv?held={held}&count=0")
    assert csv.body.decode() == ",".join(Row.__struct_fields__) + "\n"
    assert (await tables.ask(f"/table/X.ndjson?held={held}&count=0")).body == b""
    assert (await tables.ask(f"/table/X?held={held}&count=0")).json["rows"] == []
    by_columns = await tables.ask(f"/table/X?held={held}&count=0&layout=columns")
    assert by_columns.json["rows"] == {name: [] for name in Row.__struct_fields__}


def _parquet(body: bytes) -> pa.Table:
    return parquet.read_table(io.BytesIO(body))


@HELD
@pytest.mark.parametrize("count", [3, 5000])
async def test_columns_are_chosen_and_ordered_in_every_format(tables: Client, held: str, count: int) -> None:
    query = f"held={held}&count={count}&columns=close,ticker"
    expected = [(ROWS[place % 3].close, ROWS[place % 3].ticker) for place in range(count)]
    rows = (await tables.ask(f"/table/X?{query}")).json["rows"]
    assert [tuple(row.items()) for row in rows] == [
        (("close", close), ("ticker", ticker)) for close, ticker in expected
    ]
    columns = (await tables.ask(f"/table/X?{query}&layout=columns")).json["rows"]
    assert list(columns) == ["close", "ticker"]
    assert list(zip(*columns.values(), strict=True)) == expected
    lines = (await tables.ask(f"/table/X.ndjson?{query}")).body
    assert [tuple(row.values()) for row in msgspec.json.Decoder().decode_lines(lines)] == expected
    for suffix, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet), ("arrow", pl.read_ipc_stream)):
        frame = read(io.BytesIO((await tables.ask(f"/table/X.{suffix}?{query}")).body))
        assert frame.columns == ["close", "ticker"]
        assert [(close, ticker or "") for close, ticker in frame.rows()] == expected


async def test_a_lone_empty_value_is_no_empty_line(tables: Client) -> None:
    assert (await tables.ask("/table/X.csv?columns=vwap")).body == b'vwap\n93.5\n""\n0.1\n'


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("columns=close,colour", "columns is colour: must be one of believed_from, close,"),
        ("columns=close,ticker,close", "columns is close: must be given once"),
        ("columns=", "columns is : must be one of believed_from,"),
        ("columns=close,", "columns is : must be one of believed_from,"),
        ("layout=diagonal", "layout is diagonal: must be one of columns, rows"),
    ],
)
async def test_columns_and_layouts_that_there_are_not_are_refused(tables: Client, query: str, message: str) -> None:
    refusal = (await tables.ask(f"/table/X?{query}")).refusal()
    assert refusal.code == "invalid_parameter"
    assert refusal.message.startswith(message)
    assert refusal.parameter == query.partition("=")[0]


async def test_a_list_is_separated_by_commas_and_bounded(tables: Client) -> None:
    assert (await tables.ask("/words?only=b,a")).json["words"] == ["b", "a"]
    for query, message in (
        ("b,a,c", "only is 3 values: must be at most 2, separated by commas"),
        ("b,b", "only is b: must be given once"),
        ("b,", "only is : must be one word of at most 64 characters"),
    ):
        refusal = (await tables.ask(f"/words?only={query}")).refusal()
        assert (refusal.parameter, refusal.message) == ("only", message)


@pytest.mark.parametrize("suffix", ["", ".json", ".csv", ".ndjson", ".arrow", ".parquet"])
async def test_facts_travel_in_headers_with_every_format(tables: Client, suffix: str) -> None:
    headers = (await tables.ask(f"/table/BRK.B{suffix}?count=2&cursor=old&columns=close,vwap")).headers
    assert headers["link"] == f'</table/BRK.B{suffix}?count=2&columns=close%2Cvwap&cursor=next%3Fpage>; rel="next"'
    assert headers["x-generation"] == "00000000-0000-0000-0000-00000000000a; checkpoint=2"
    assert headers["x-coverage"] == '{"expected":4,"missing":1}'
    assert "link" not in (await tables.ask(f"/table/BRK.B{suffix}")).headers


async def test_equal_answers_are_equal_byte_for_byte(tables: Client) -> None:
    for suffix in ("csv", "arrow", "parquet"):
        bodies = {(await tables.ask(f"/table/X.{suffix}?held={held}")).body for held in ("table", "table")}
        assert len(bodies) == 1, suffix


def test_the_known_rows_have_what_the_formats_must_tell_apart() -> None:
    assert INSTANT.tzinfo is dt.UTC
    assert any(row.vwap is None for row in ROWS)
