"""What all lists of records have in common: pages, orders, ranges, symbols, formats, ETags and refusals."""

import csv
import io

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.cursor import encode_cursor
from tests.api.records.archived import DAY
from tests.api.records.walk import walk
from tests.api.served import Client

# Each list with the query that gives the most of it, and what no two of its rows share.
LISTS = (
    ("splits", "history=true", ("symbol", "vendor_id", "archive_seq")),
    ("dividends", "history=true", ("symbol", "vendor_id", "archive_seq")),
    ("revisions", "", ("symbol", "session", "archive_seq")),
    ("rejections", "", ("archive_seq", "row_index")),
)
NAMES = [name for name, _, _ in LISTS]


@pytest.mark.parametrize(("name", "query", "key"), LISTS, ids=NAMES)
@pytest.mark.parametrize("limit", [1, 3])
async def test_pages_hold_every_row_exactly_once_in_both_orders(
    records: Client, name: str, query: str, key: tuple[str, ...], limit: int
) -> None:
    whole = (await records.ask(f"/api/v1/{name}?{query}&order=asc")).json[name]
    assert len(whole) > 1
    assert len({tuple(row[part] for part in key) for row in whole}) == len(whole)
    assert await walk(records, f"/api/v1/{name}?{query}&order=asc", name, limit) == whole
    assert await walk(records, f"/api/v1/{name}?{query}&order=desc", name, limit) == whole[::-1]


@pytest.mark.parametrize("name", NAMES)
async def test_a_cursor_of_elsewhere_is_refused(records: Client, name: str) -> None:
    turned = encode_cursor(DAY, "AAPL", "A1", 5, of="dividends asc")
    order = "&order=desc" if name == "dividends" else ""
    for cursor in ("rubbish", "", turned, turned[:-3], "%00", "%C3%A9"):
        refusal = (await records.ask(f"/api/v1/{name}?cursor={cursor}{order}")).refusal()
        assert (refusal.code, refusal.parameter) == ("invalid_parameter", "cursor"), cursor


@pytest.mark.parametrize("name", NAMES)
async def test_a_known_symbol_without_rows_is_an_empty_answer_and_an_unknown_one_a_refusal(
    records: Client, name: str
) -> None:
    empty = await records.ask(f"/api/v1/{name}?symbol=AAPL&start=1999-01-01&end=1999-12-31")
    assert (empty.status, empty.json[name], empty.json["next_cursor"]) == (200, [], None)
    for symbol in ("NOPE", "aapl"):
        refusal = (await records.ask(f"/api/v1/{name}?symbol={symbol}")).refusal()
        assert (refusal.code, refusal.parameter) == ("unknown_symbol", "symbol")


@pytest.mark.parametrize(
    ("name", "symbol"), [("splits", "SPLT"), ("dividends", "PAY07"), ("rejections", "LOST")], ids=str
)
async def test_a_symbol_of_which_there_are_no_bars_is_known_by_what_was_said_of_it(
    records: Client, name: str, symbol: str
) -> None:
    found = (await records.ask(f"/api/v1/{name}?symbol={symbol}")).json
    assert [row["symbol"] for row in found[name]] == [symbol]
    assert (await records.ask(f"/api/v1/{name}?symbol={symbol}&end=1999-12-31")).json["count"] == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=50001", "limit"),
        ("limit=ten", "limit"),
        ("order=up", "order"),
        ("start=2023-02-30", "start"),
        ("start=2024-01-02&end=2024-01-01", "start"),
        ("symbol=A%00B", "symbol"),
        ("colour=red", "colour"),
    ],
)
async def test_what_breaks_a_bound_is_refused(records: Client, name: str, query: str, parameter: str) -> None:
    answer = await records.ask(f"/api/v1/{name}?{query}")
    assert (answer.status, answer.refusal().parameter) == (422, parameter)


@pytest.mark.parametrize("name", NAMES)
async def test_an_answer_that_is_held_is_not_sent_again(records: Client, name: str) -> None:
    answer = await records.ask(f"/api/v1/{name}")
    again = await records.ask(f"/api/v1/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    other = await records.ask(f"/api/v1/{name}?limit=1", headers={"If-None-Match": answer.headers["etag"]})
    assert other.status == 200


async def test_all_formats_tell_the_same_rows(records: Client) -> None:
    target = "/api/v1/revisions"
    rows = (await records.ask(target)).json["revisions"]
    sessions = [row["session"] for row in rows]
    lines = (await records.ask(f"{target}.ndjson")).body.splitlines()
    assert [msgspec.json.decode(line) for line in lines] == rows
    table = list(csv.DictReader(io.StringIO((await records.ask(f"{target}.csv")).body.decode())))
    assert [row["session"] for row in table] == sessions
    assert [float(row["new_close"]) for row in table] == [row["new_close"] for row in rows]
    for arrow in (
        pa.ipc.open_stream((await records.ask(f"{target}.arrow")).body).read_all(),
        pq.read_table(io.BytesIO((await records.ask(f"{target}.parquet")).body)),
    ):
        assert [str(value) for value in arrow["session"].to_pylist()] == sessions
        assert arrow["old_vwap"].to_pylist() == [row["old_vwap"] for row in rows]
        assert arrow["changed"].to_pylist() == [row["changed"] for row in rows]
