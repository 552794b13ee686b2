"""Which format and coding a request gets, and that ETags tell them apart."""

import gzip

import pytest
import zstandard

from tests.api.served import Answer, Client

MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}


async def media_type(client: Client, target: str, accept: str) -> str:
    """Return the media type of an answer to an Accept header."""
    answer = await client.ask(target, headers={"Accept": accept})
    assert answer.status == 200, answer.body
    return answer.headers["content-type"]


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        ("*/*", "json"),
        ("application/*", "json"),
        ("text/*", "csv"),
        ("TEXT/CSV", "csv"),
        ("text/csv; header=present", "csv"),
        ("text/csv, application/json", "csv"),
        ("application/json, text/csv", "json"),
        ("application/json;q=0.5, text/csv", "csv"),
        ("text/csv;q=0.5, application/json;q=0.500", "csv"),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", "json"),
        ("text/csv, */*", "csv"),
        ("*/*, application/x-ndjson", "ndjson"),
        ("application/json;q=0, */*", "csv"),
        ("application/vnd.apache.arrow.stream", "arrow"),
        ("application/vnd.apache.parquet", "parquet"),
        ("application/vnd.apache.parquet;q=high, text/csv;q=0.1", "csv"),
    ],
)
async def test_accept_chooses_the_format(tables: Client, accept: str, format_: str) -> None:
    assert await media_type(tables, "/table/BRK.B", accept) == MEDIA[format_]


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "application/json;q=2", "image/*", ";", "x" * 9000]
)
async def test_a_caller_who_takes_none_of_the_formats_is_told_which_there_are(tables: Client, accept: str) -> None:
    answer = await tables.ask("/table/BRK.B", headers={"Accept": accept})
    refusal = answer.refusal()
    assert (answer.status, refusal.code) == (406, "not_acceptable")
    assert refusal.message.endswith(
        "this answer can be had as application/json, text/csv, application/x-ndjson,"
        " application/vnd.apache.arrow.stream, application/vnd.apache.parquet"
    )
    assert len(refusal.message) < 300


@pytest.mark.parametrize("format_", list(MEDIA))
async def test_a_suffix_chooses_the_format_whatever_is_accepted(tables: Client, format_: str) -> None:
    for target in (f"/table/BRK.B.{format_}", f"/many.{format_}?chunks=1"):
        assert await media_type(tables, target, "text/html") == MEDIA[format_]


@pytest.mark.parametrize(
    ("target", "symbol"),
    [
        ("BRK.B", "BRK.B"),
        ("BRK.B.json", "BRK.B"),
        ("BRK%2EB%2Ejson", "BRK.B"),
        ("A.csv.json", "A.csv"),
        ("A.CSV", "A.CSV"),
        ("A.xlsx", "A.xlsx"),
        (".json", ".json"),
    ],
)
async def test_only_a_known_suffix_at_the_end_is_one(tables: Client, target: str, symbol: str) -> None:
    assert (await tables.ask(f"/table/{target}")).json["symbol"] == symbol


async def test_an_operation_that_is_no_table_has_neither_suffix_nor_choice(tables: Client) -> None:
    assert (await tables.ask("/words.csv")).status == 404
    assert await media_type(tables, "/words", "text/csv") == "application/json"
    assert (await tables.ask("/words?layout=rows")).refusal().code == "unknown_parameter"


def unpacked(answer: Answer) -> bytes:
    """Return the body of an answer as it was before its coding."""
    match answer.headers.get("content-encoding"):
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(answer.body)
        case "gzip":
            return gzip.decompress(answer.body)
        case None:
            return answer.body
    raise AssertionError(answer.headers["content-encoding"])


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *", "gzip"),
        ("br, deflate", None),
        ("identity", None),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0", None),
        ("", None),
    ],
)
@pytest.mark.parametrize(
    "target", ["/table/X?count=300", "/table/X.csv?count=9000", "/many.ndjson", "/words?count=3000"]
)
async def test_accept_encoding_chooses_the_coding(
    tables: Client, target: str, accept_encoding: str, coding: str | None
) -> None:
    plain = await tables.ask(target)
    answer = await tables.ask(target, headers={"Accept-Encoding": accept_encoding})
    assert answer.headers.get("content-encoding") == coding
    assert unpacked(answer) == plain.body
    assert "Accept-Encoding" in answer.headers["vary"]
    if coding is not None:
        assert len(answer.body) < len(plain.body) / 2


@pytest.mark.parametrize(
    "target", ["/table/X.parquet?count=3000", "/table/X.arrow?count=3000", "/many.parquet", "/table/X?count=1"]
)
async def test_what_is_packed_already_or_small_has_no_coding(tables: Client, target: str) -> None:
    answer = await tables.ask(target, headers={"Accept-Encoding": "gzip, zstd"})
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


async def test_each_representation_has_a_tag_of_its_own_and_is_held_by_it(tables: Client) -> None:
    asked = [
        ("/table/X?count=300", {"Accept": accept, "Accept-Encoding": coding})
        for accept in ("application/json", "text/csv", "application/vnd.apache.parquet")
        for coding in ("identity", "gzip", "zstd")
    ]
    tags: dict[str, set[bytes]] = {}
    for target, headers in asked:
        answer = await tables.ask(target, headers=headers)
        tags.setdefault(answer.headers["etag"], set()).add(answer.body)
    # Parquet is the same in every coding.
    assert len(tags) == 7
    assert all(len(bodies) == 1 for bodies in tags.values())
    for target, headers in asked:
        tag = (await tables.ask(target, headers=headers)).headers["etag"]
        held = await tables.ask(target, headers={**headers, "If-None-Match": tag})
        assert (held.status, held.body, held.headers["etag"]) == (304, b"", tag)
        assert held.headers["vary"] == "Accept, Accept-Encoding"
        for other in tags.keys() - {tag}:
            assert (await tables.ask(target, headers={**headers, "If-None-Match": other})).status == 200


@pytest.mark.parametrize("suffix", list(MEDIA))
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_head_has_the_headers_of_get_and_no_body(tables: Client, suffix: str, coding: str) -> None:
    for target in (f"/table/X.{suffix}?count=300", f"/many.{suffix}"):
        got = await tables.ask(target, headers={"Accept-Encoding": coding})
        head = await tables.ask(target, method="HEAD", headers={"Accept-Encoding": coding})
        assert (head.status, head.body) == (200, b"")
        volatile = {"date", "transfer-encoding", "x-request-id"}
        assert {name: head.headers[name] for name in head.headers.keys() - volatile} == {
            name: got.headers[name] for name in got.headers.keys() - volatile
        }
