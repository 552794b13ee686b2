"""Parts of an answer by their bytes."""

import pytest

from tests.api.served import Client

TARGET = "/table/X.parquet?count=300"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=10-", 10, None),
        ("bytes=-8", -8, None),
        ("bytes=-999999999", 0, None),
        ("bytes=10-999999999", 10, None),
        (" bytes=0-3 ", 0, 3),
    ],
)
async def test_a_range_is_the_bytes_of_the_whole_answer(
    tables: Client, asked: str, first: int, last: int | None
) -> None:
    whole = await tables.ask(TARGET)
    assert whole.headers["accept-ranges"] == "bytes"
    part = await tables.ask(TARGET, headers={"Range": asked, "Accept-Encoding": "gzip"})
    size = len(whole.body)
    start = first % size
    end = size - 1 if last is None else last
    assert part.status == 206
    assert part.body == whole.body[start : end + 1]
    assert part.headers["content-range"] == f"bytes {start}-{end}/{size}"
    for name in ("etag", "content-type", "vary", "x-generation", "cache-control"):
        assert part.headers[name] == whole.headers[name]


async def test_a_range_is_of_the_bytes_without_a_coding(tables: Client) -> None:
    whole = await tables.ask("/table/X.csv?count=300")
    part = await tables.ask("/table/X.csv?count=300", headers={"Range": "bytes=100-199", "Accept-Encoding": "gzip"})
    assert (part.status, part.body) == (206, whole.body[100:200])
    assert part.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=-0"])
async def test_a_range_with_none_of_the_bytes_is_refused_with_their_number(tables: Client, asked: str) -> None:
    size = len((await tables.ask(TARGET)).body)
    answer = await tables.ask(TARGET, headers={"Range": asked})
    assert (answer.status, answer.refusal().code) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "asked", ["bytes=-", "bytes=5-3", "bytes=a-b", "rows=0-5", "bytes=0-1,4-5", "bytes=0-9999999999999999999999", "0-5"]
)
async def test_what_is_not_one_range_of_bytes_is_passed_over(tables: Client, asked: str) -> None:
    assert (await tables.ask(TARGET, headers={"Range": asked})).status == 200


async def test_a_part_is_sent_only_of_the_answer_that_the_caller_has_other_parts_of(tables: Client) -> None:
    tag = (await tables.ask(TARGET)).headers["etag"]
    for condition, status in ((tag, 206), ('"other"', 200), (f"W/{tag}", 200), ("Sat, 21 Nov 2026 07:00:00 GMT", 200)):
        answer = await tables.ask(TARGET, headers={"Range": "bytes=0-3", "If-Range": condition})
        assert answer.status == status, condition
    held = await tables.ask(TARGET, headers={"Range": "bytes=0-3", "If-None-Match": tag})
    assert held.status == 304


async def test_head_and_refusals_have_no_ranges(tables: Client) -> None:
    head = await tables.ask(TARGET, method="HEAD", headers={"Range": "bytes=0-3"})
    assert (head.status, int(head.headers["content-length"])) == (200, len((await tables.ask(TARGET)).body))
    assert (await tables.ask("/table/X?layout=odd", headers={"Range": "bytes=0-3"})).status == 422
    stream = await tables.ask("/many.csv?chunks=1", headers={"Range": "bytes=0-3"})
    assert (stream.status, stream.headers["accept-ranges"]) == (200, "none")
