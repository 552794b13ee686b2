"""Every fault on demand, as a client meets it on the wire."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from tests.fake_polygon import FakePolygon, SyntheticMarket
from tests.fake_polygon.misbehaviour import CHAOS
from tests.fake_polygon.sessions import NEW_YORK

RANGE = "/v2/aggs/ticker/BCPC/range/1/day/2024-03-01/2024-03-28"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks/2024-03-11"
BROKEN = (aiohttp.ClientError, asyncio.TimeoutError, zlib.error)


@pytest.fixture
async def vendor(market: SyntheticMarket, now: datetime) -> AsyncIterator[FakePolygon]:
    async with FakePolygon(market, clock=lambda: now) as server:
        yield server


async def status(client: aiohttp.ClientSession, url: str) -> int:
    async with client.get(url) as response:
        await response.read()
        return response.status


async def answer(client: aiohttp.ClientSession, url: str) -> Any:
    async with client.get(url) as response:
        assert response.status == 200
        return await response.json()


def dates(reply: Any) -> list[str]:
    return [str(datetime.fromtimestamp(row["t"] / 1000, NEW_YORK).date()) for row in reply["results"]]


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        (401, {"status": "ERROR", "error": "Unknown API Key"}),
        (403, {"status": "NOT_AUTHORIZED"}),
        (404, {"status": "NOT_FOUND", "message": "Data not found."}),
        (429, {"status": "ERROR"}),
        (500, {"status": "ERROR"}),
    ],
)
async def test_a_failure_has_the_vendors_body_for_its_status(
    vendor: FakePolygon, client: aiohttp.ClientSession, code: int, shape: dict[str, str]
) -> None:
    vendor.fail_next(code, times=2)
    for _ in range(2):
        async with client.get(vendor.url + RANGE) as response:
            assert response.status == code
            reply = await response.json()
            assert shape.items() <= reply.items()
            assert "Retry-After" not in response.headers
    assert await status(client, vendor.url + RANGE) == 200
    assert [(r.status, r.trouble) for r in vendor.requests] == [(code, "fail")] * 2 + [(200, None)]


async def test_a_bad_gateway_does_not_speak_json(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    vendor.fail_next(502)
    async with client.get(vendor.url + RANGE) as response:
        assert (response.status, response.content_type) == (502, "text/plain")
        with pytest.raises(json.JSONDecodeError):
            json.loads(await response.text())


async def test_a_failure_can_carry_a_body_and_a_time_to_wait(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    vendor.fail_next(429, retry_after=3, body='{"mine":1}')
    vendor.fail_next(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    async with client.get(vendor.url + RANGE) as response:
        assert (response.headers["Retry-After"], await response.text()) == ("3", '{"mine":1}')
    async with client.get(vendor.url + RANGE) as response:
        assert response.headers["Retry-After"] == "Wed, 21 Oct 2026 07:28:00 GMT"


async def test_a_fault_waits_for_the_path_it_was_asked_for(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    vendor.fail_next(500, path="/grouped/")
    vendor.fail_next(503, path=lambda path: path.endswith("/prev"))
    assert await status(client, vendor.url + RANGE) == 200
    assert await status(client, vendor.url + GROUPED) == 500
    assert await status(client, vendor.url + GROUPED) == 200
    assert await status(client, vendor.url + "/v2/aggs/ticker/BCPC/prev") == 503


async def test_faults_come_in_the_order_they_were_asked_for(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    vendor.fail_next(500)
    vendor.fail_next(429, times=2)
    assert [await status(client, vendor.url + RANGE) for _ in range(4)] == [500, 429, 429, 200]


async def test_a_hanging_request_is_never_answered_and_does_not_keep_the_server_open(
    market: SyntheticMarket, client: aiohttp.ClientSession
) -> None:
    async with FakePolygon(market) as vendor:
        vendor.hang_next()
        waiting = asyncio.create_task(status(client, vendor.url + RANGE))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        assert await status(client, vendor.url + RANGE) == 200
        assert [(r.trouble, r.status) for r in vendor.requests] == [("hang", None), (None, 200)]
    with pytest.raises(BROKEN):
        await waiting


async def test_a_slow_body_comes_in_pieces_and_whole(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    whole = (await answer(client, vendor.url + RANGE))["results"]
    vendor.slow_next(bytes_per_second=8_000)
    async with client.get(vendor.url + RANGE, headers={"Accept-Encoding": "identity"}) as response:
        pieces = [piece async for piece in response.content.iter_any()]
    assert len(pieces) > 3
    assert json.loads(b"".join(pieces))["results"] == whole


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_truncated_body_ends_before_its_content_length(
    vendor: FakePolygon, client: aiohttp.ClientSession, encoding: str
) -> None:
    vendor.truncate_next(at=0.6)
    with pytest.raises(aiohttp.ClientPayloadError):
        async with client.get(vendor.url + RANGE, headers={"Accept-Encoding": encoding}) as response:
            assert response.status == 200
            assert int(response.headers["Content-Length"]) == vendor.requests[-1].sent_bytes
            await response.read()
    assert await status(client, vendor.url + RANGE) == 200


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_cut_json_comes_whole_by_its_length_and_does_not_parse(
    vendor: FakePolygon, client: aiohttp.ClientSession, encoding: str
) -> None:
    vendor.cut_json_next()
    async with client.get(vendor.url + RANGE, headers={"Accept-Encoding": encoding}) as response:
        text = await response.text()
    assert text.startswith('{"ticker":"BCPC"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


@pytest.mark.parametrize("code", [200, 503])
async def test_a_web_page_can_come_instead_of_json(
    vendor: FakePolygon, client: aiohttp.ClientSession, code: int
) -> None:
    vendor.html_next(code)
    async with client.get(vendor.url + RANGE) as response:
        assert (response.status, response.content_type) == (code, "text/html")
        assert (await response.text()).startswith("<!DOCTYPE html>")


async def test_a_reset_connection_is_reset_and_not_closed(vendor: FakePolygon) -> None:
    vendor.reset_next()
    host, port = vendor.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {RANGE} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert (vendor.requests[0].trouble, vendor.requests[0].status) == ("reset", None)


async def test_a_garbled_gzip_stream_says_it_is_gzip_and_is_not(vendor: FakePolygon) -> None:
    vendor.garble_gzip_next()
    async with aiohttp.ClientSession(auto_decompress=False) as raw, raw.get(vendor.url + RANGE) as response:
        body = await response.read()
        assert (response.status, response.headers["Content-Encoding"]) == (200, "gzip")
    assert body[:2] == b"\x1f\x8b"
    with pytest.raises((zlib.error, gzip.BadGzipFile, EOFError)):
        gzip.decompress(body)


@pytest.mark.parametrize("path", [RANGE, "/v3/reference/splits", "/stocks/v1/dividends"])
async def test_a_next_url_can_lead_to_another_host(
    vendor: FakePolygon, client: aiohttp.ClientSession, path: str
) -> None:
    vendor.foreign_next_url("thief.example")
    assert (await answer(client, vendor.url + path))["next_url"].startswith("https://thief.example/")
    assert "thief.example" not in str(await answer(client, vendor.url + path))


async def test_another_symbols_bars_come_under_that_symbols_name(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    good = await answer(client, vendor.url + RANGE)
    vendor.wrong_symbol_next()
    other = await answer(client, vendor.url + RANGE)
    assert (good["ticker"], other["ticker"]) == ("BCPC", "AAPL")
    assert other["results"] == (await answer(client, vendor.url + RANGE.replace("BCPC", "AAPL")))["results"]
    assert (await answer(client, vendor.url + RANGE))["results"] == good["results"]


async def test_a_range_can_hold_a_row_from_before_it(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    good = await answer(client, vendor.url + RANGE)
    vendor.out_of_range_next()
    stray = await answer(client, vendor.url + RANGE)
    assert dates(stray) == ["2024-02-20", *dates(good)]
    assert stray["resultsCount"] == good["resultsCount"] + 1 == len(stray["results"])


async def test_a_date_can_be_answered_with_another_dates_market(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    vendor.out_of_range_next()
    assert set(dates(await answer(client, vendor.url + GROUPED))) == {"2024-03-08"}
    assert set(dates(await answer(client, vendor.url + GROUPED))) == {"2024-03-11"}


async def test_a_silently_truncated_range_lacks_its_older_half_and_says_ok(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    good = await answer(client, vendor.url + RANGE)
    vendor.silently_truncate_next()
    short = await answer(client, vendor.url + RANGE)
    assert short["results"] == good["results"][len(good["results"]) - len(short["results"]) :]
    assert 0 < len(short["results"]) <= len(good["results"]) / 2
    assert (short["status"], short["resultsCount"]) == ("OK", len(short["results"]))


async def test_a_silently_truncated_market_lacks_half_its_tickers(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    good = await answer(client, vendor.url + GROUPED)
    vendor.silently_truncate_next()
    assert len((await answer(client, vendor.url + GROUPED))["results"]) == len(good["results"]) // 2


@pytest.mark.parametrize(
    ("at", "oldest", "newest"), [(0.25, 10, 0), (0.75, 0, 10), (0.0, 1, 0), (0.5, 0, 1), (0.499, 19, 0), (0.999, 0, 19)]
)
async def test_a_shortened_range_lacks_rows_at_one_end_but_never_all(
    vendor: FakePolygon, client: aiohttp.ClientSession, at: float, oldest: int, newest: int
) -> None:
    good = await answer(client, vendor.url + RANGE)
    assert len(good["results"]) == 20
    vendor.shorten_next(at=at)
    short = await answer(client, vendor.url + RANGE)
    assert short["results"] == good["results"][oldest : 20 - newest]
    assert (short["status"], short["resultsCount"]) == ("OK", 20 - oldest - newest)
    one_day = RANGE.replace("2024-03-28", "2024-03-01")
    vendor.shorten_next(at=at)
    assert len((await answer(client, vendor.url + one_day))["results"]) == 1


async def test_a_range_can_hold_a_row_of_another_symbol_under_its_own_name(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    good = await answer(client, vendor.url + RANGE)
    vendor.stray_symbol_next()
    stray = await answer(client, vendor.url + RANGE)
    assert (stray["ticker"], stray["results"][0]["T"], stray["results"][1:]) == ("BCPC", "BCPCX", good["results"])
    assert stray["resultsCount"] == good["resultsCount"] + 1


@pytest.mark.parametrize(
    ("why", "said"),
    [("not_yet", "before end of day"), ("beyond_plan", "data timeframe"), ("not_entitled", "not entitled")],
)
async def test_a_403_says_which_of_its_meanings_it_has(
    vendor: FakePolygon, client: aiohttp.ClientSession, why: str, said: str
) -> None:
    vendor.forbid_next(why)
    async with client.get(vendor.url + RANGE) as response:
        assert response.status == 403
        assert said in (await response.json())["message"]


async def test_an_answer_is_finished_when_all_of_it_is_sent(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    await answer(client, vendor.url + RANGE)
    vendor.slow_next(bytes_per_second=100)
    with pytest.raises(TimeoutError):
        async with client.get(vendor.url + RANGE, timeout=aiohttp.ClientTimeout(total=0.2)) as response:
            await response.read()
    vendor.truncate_next()
    with pytest.raises(aiohttp.ClientPayloadError):
        await status(client, vendor.url + RANGE)
    assert [request.finished for request in vendor.requests] == [True, False, False]


async def test_delayed_data_is_good_data_with_another_status(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    good = await answer(client, vendor.url + RANGE)
    vendor.delayed_next()
    late = await answer(client, vendor.url + RANGE)
    assert (good["status"], late["status"]) == ("OK", "DELAYED")
    assert late["results"] == good["results"]


async def test_a_fault_in_what_is_said_waits_for_a_request_that_can_have_it(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    vendor.wrong_symbol_next()
    await answer(client, vendor.url + GROUPED)
    await answer(client, vendor.url + "/v3/reference/splits")
    assert (await answer(client, vendor.url + RANGE))["ticker"] == "AAPL"


async def outcomes(market: SyntheticMarket, seed: int, rate: float, requests: int) -> list[str | None]:
    """Return which fault each of a row of requests met; a new connection each, as faults break them."""
    async with FakePolygon(market, clock=lambda: datetime(2025, 1, 6, tzinfo=UTC)) as vendor:
        vendor.random_faults(seed, rate)
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer test-key"}, timeout=timeout) as client:
            for _ in range(requests):
                try:
                    await status(client, vendor.url + RANGE)
                except BROKEN:
                    assert vendor.requests[-1].trouble is not None
        return [request.trouble for request in vendor.requests]


async def test_random_faults_are_the_same_for_the_same_seed_and_of_every_kind(market: SyntheticMarket) -> None:
    one, again, other = [await outcomes(market, seed, 0.7, 150) for seed in (1, 1, 2)]
    assert one == again != other
    assert set(one) == {None, *CHAOS}
    assert set(await outcomes(market, 1, 0.0, 20)) == {None}


async def test_a_vendor_told_to_behave_does(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    vendor.random_faults(1, 1.0)
    vendor.fail_next(500, times=100)
    vendor.behave()
    assert [await status(client, vendor.url + RANGE) for _ in range(5)] == [200] * 5
