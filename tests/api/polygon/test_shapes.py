"""What goes over the wire: the vendor's envelopes, no null in them, its errors, and addresses of pages."""

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import msgspec
import pytest

from tests.api.market import BARS, NOW, KnownBar, project
from tests.api.polygon.known import new_york
from tests.api.served import Answer, Client, served

JUNE = "2014-06-01/2014-06-30"
SEVN = f"/v2/aggs/ticker/SEVN/range/1/day/{JUNE}"
ANSWERS = [
    SEVN,
    f"/v2/aggs/ticker/LONG/range/1/week/{JUNE}?limit=5",
    f"/v2/aggs/ticker/NONE/range/1/day/{JUNE}",
    "/v2/aggs/ticker/SEVN/prev",
    "/v2/aggs/ticker/NONE/prev",
    "/v2/aggs/grouped/locale/us/market/stocks/2014-06-05",
    "/v2/aggs/grouped/locale/us/market/stocks/2014-06-07",
    "/v1/open-close/SEVN/2014-06-05",
    "/v3/reference/splits",
    "/v3/reference/splits?ticker=NONE",
    "/v3/reference/dividends?limit=1000",
    "/stocks/v1/splits",
    "/stocks/v1/dividends",
    "/v3/reference/tickers",
    "/v3/reference/tickers/SEVN",
    "/v3/reference/tickers/AAPL",
    "/vX/reference/tickers/META/events",
    "/v1/marketstatus/now",
    "/v1/marketstatus/upcoming",
    "/v3/reference/exchanges",
]


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """Yield where a document has a null."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from nulls(each, f"{path}/{name}")
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from nulls(each, f"{path}/{place}")


def refusal(answer: Answer, status: int) -> dict[str, Any]:
    """Return an error, having checked that it has the vendor's shape, whole and nothing else."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json
    assert set(found) == {"status", "request_id", "message" if status == 404 else "error"}
    assert found["status"] == ("NOT_FOUND" if status == 404 else "ERROR")
    uuid.UUID(found["request_id"])
    return found


@pytest.mark.parametrize("target", ANSWERS)
async def test_nothing_is_null_since_the_clients_cannot_take_it(vendor_like: Client, target: str) -> None:
    answer = await vendor_like.ask(target)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert list(nulls(answer.json)) == []
    head = await vendor_like.ask(target, method="HEAD")
    assert (head.status, head.body) == (200, b"")


async def test_the_envelope_of_bars(vendor_like: Client) -> None:
    first, again = [(await vendor_like.ask(f"{SEVN}?limit=3")).json for _ in range(2)]
    assert uuid.UUID(first.pop("request_id")) != uuid.UUID(again["request_id"])
    bars = first.pop("results")
    assert urlsplit(first.pop("next_url")).path == SEVN
    assert first == {
        "ticker": "SEVN",
        "queryCount": 3,
        "resultsCount": 3,
        "adjusted": True,
        "status": "OK",
        "count": 3,
    }
    assert bars[0] == {
        "o": 646.2 / 7,
        "h": 649.37 / 7,
        "l": 642.61 / 7,
        "c": 647.35 / 7,
        "v": 10850000.0 * 7,
        "t": 1401940800000,
    }
    assert (bars[1]["vw"], bars[1]["n"]) == (100.5 / 7, 1000)


async def test_no_bars_are_an_empty_list(vendor_like: Client) -> None:
    answer = (await vendor_like.ask(f"/v2/aggs/ticker/NONE/range/1/day/{JUNE}?adjusted=false")).json
    del answer["request_id"]
    assert answer == {
        "ticker": "NONE",
        "queryCount": 0,
        "resultsCount": 0,
        "adjusted": False,
        "results": [],
        "status": "OK",
        "count": 0,
    }


async def test_the_query_count_is_that_of_the_daily_bars(vendor_like: Client) -> None:
    answer = (await vendor_like.ask("/v2/aggs/ticker/LONG/range/1/month/2014-02-01/2014-03-31")).json
    assert (answer["queryCount"], answer["resultsCount"], answer["count"]) == (20 + 21, 2, 2)
    assert [bar["t"] for bar in answer["results"]] == [
        new_york(day) for day in (dt.date(2014, 2, 1), dt.date(2014, 3, 1))
    ]


async def test_a_page_repeats_what_was_asked(vendor_like: Client) -> None:
    target = "/v3/reference/splits?limit=1&ticker.gte=AAPL&execution_date.lt=2021-01-01"
    answer = await vendor_like.ask(target, headers={"Host": "127.0.0.9:8443"})
    following = urlsplit(answer.json["next_url"])
    assert (following.scheme, following.netloc, following.path) == (
        "http",
        "127.0.0.9:8443",
        "/v3/reference/splits",
    )
    query = parse_qs(following.query)
    assert set(query) == {"limit", "ticker.gte", "execution_date.lt", "cursor"}
    second = await vendor_like.ask(f"{following.path}?{following.query}")
    assert [split["id"] for split in second.json["results"]] == ["P-REVS"]
    assert parse_qs(urlsplit(second.json["next_url"]).query)["cursor"] != query["cursor"]


async def test_the_last_page_names_no_other(vendor_like: Client) -> None:
    for target in (f"{SEVN}?limit=5", "/v3/reference/splits?limit=8", "/v3/reference/tickers?limit=11"):
        assert "next_url" not in (await vendor_like.ask(target)).json


async def test_all_pages_are_told_in_shares_of_one_date(database_url: str, projector: asyncpg.Connection) -> None:
    """SOON splits tomorrow: a page that is turned after midnight is still of yesterday's shares."""
    import datetime as dt

    bars = [*BARS, KnownBar("SOON", dt.date(2014, 6, 6), 11.0, 11.0, 9.0, 10.5, 100.0)]
    await project(projector, bars=bars)
    clock = [NOW]
    async with served(database_url, lambda: clock[0]) as client:
        first = (await client.ask(f"/v2/aggs/ticker/SOON/range/1/day/{JUNE}?limit=1")).json
        clock[0] = NOW + dt.timedelta(days=1)
        following = urlsplit(first["next_url"])
        second = (await client.ask(f"{following.path}?{following.query}")).json
        anew = (await client.ask(f"/v2/aggs/ticker/SOON/range/1/day/{JUNE}")).json
    assert [bar["o"] for bar in (*first["results"], *second["results"])] == [10.0, 11.0]
    assert [bar["o"] for bar in anew["results"]] == [5.0, 5.5]


@pytest.mark.parametrize(
    "target",
    [
        f"{SEVN}?cursor=rubbish",
        "/v3/reference/splits?cursor=WyJzcGxpdHMiXQ",
        "/v3/reference/splits?limit=ten",
        "/v3/reference/splits?limit=1&limit=2",
        "/v3/reference/dividends?cash_amount=nan",
        "/v3/reference/dividends?dividend_type=XX",
        "/stocks/v1/dividends?sort=pay_date.desc,ticker.asc",
        "/v3/reference/tickers?active=perhaps",
        "/v3/reference/tickers?search=%00",
        "/v2/aggs/grouped/locale/us/market/stocks/yesterday",
        "/v1/open-close//2014-06-05",
        "/v1/open-close/SEVN/2014-6-5",
        # Keys travel in headers only.
        f"{SEVN}?apiKey=key",
    ],
)
async def test_a_bad_request_is_told_in_the_shape_of_the_vendor(vendor_like: Client, target: str) -> None:
    assert refusal(await vendor_like.ask(target), 400)["error"]


async def test_a_cursor_is_good_for_its_own_list_only(vendor_like: Client) -> None:
    first = (await vendor_like.ask(f"{SEVN}?limit=1")).json
    cursor = parse_qs(urlsplit(first["next_url"]).query)["cursor"][0]
    for other in (
        f"{SEVN}?limit=1&sort=desc",
        SEVN.replace("SEVN", "AAPL") + "?limit=1",
        "/v3/reference/splits?limit=1",
    ):
        refusal(await vendor_like.ask(f"{other}&cursor={cursor}"), 400)


@pytest.mark.parametrize(
    "target", ["/v2/last/trade/SEVN", "/v3/nothing", "/vX/reference/financials", "/stocks/v1/nothing"]
)
async def test_a_route_that_is_not_here_is_not_found(vendor_like: Client, target: str) -> None:
    assert target in refusal(await vendor_like.ask(target), 404)["message"]


async def test_other_methods_are_refused(vendor_like: Client) -> None:
    answer = await vendor_like.ask(SEVN, method="POST")
    assert "GET" in answer.headers["allow"]
    refusal(answer, 405)


async def test_other_paths_keep_the_shape_of_their_own(vendor_like: Client) -> None:
    assert (await vendor_like.ask("/api/v1/historical/NONE")).refusal().code == "unknown_symbol"
    assert (await vendor_like.ask("/v4/nothing")).refusal().code == "unknown_path"


async def test_an_unready_warehouse_says_so(database_url: str) -> None:
    async with served(database_url) as client:
        for target in ANSWERS:
            assert "nothing is projected yet" in refusal(await client.ask(target), 503)["error"]


async def test_parameters_of_no_meaning_here_are_ignored(vendor_like: Client) -> None:
    answer = await vendor_like.ask(f"{SEVN}?unadjusted=true&colour=blue&ticker=AAPL")
    assert (answer.status, answer.json["ticker"], answer.json["count"]) == (200, "SEVN", 5)


async def test_the_document_describes_these_routes(vendor_like: Client) -> None:
    document = (await vendor_like.ask("/openapi.json")).json
    aggs = document["paths"]["/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}"]["get"]
    assert [parameter["name"] for parameter in aggs["parameters"]][:5] == [
        "ticker",
        "multiplier",
        "timespan",
        "from",
        "to",
    ]
    assert [parameter["in"] for parameter in aggs["parameters"]] == ["path"] * 5 + ["query"] * 4
    splits = document["paths"]["/v3/reference/splits"]["get"]
    assert "execution_date.gte" in [parameter["name"] for parameter in splits["parameters"]]
    refused = splits["responses"]["400"]["content"]["application/json"]
    assert refused["schema"] == {"$ref": "#/components/schemas/PolygonError"}
    assert "422" not in splits["responses"]
    bar = document["components"]["schemas"]["PolygonBar"]
    assert set(bar["properties"]) == {"T", "o", "h", "l", "c", "v", "vw", "n", "t"}
    assert bar["properties"]["vw"]["type"] == "number"
    assert msgspec.json.encode(aggs["responses"]["200"]["content"]["application/json"]["example"]).count(b"null") == 0


async def test_a_failure_of_ours_tells_nothing_in_the_shape_of_the_vendor(
    database_url: str, projector: asyncpg.Connection
) -> None:
    # No number of trades can be infinite: a fault that no route expects.
    await project(projector, bars=[KnownBar("BAD", dt.date(2014, 6, 5), 1.0, 1.0, 1.0, 1.0, 1.0, trades=float("inf"))])
    async with served(database_url) as client:
        refused = refusal(await client.ask("/v2/aggs/ticker/BAD/range/1/day/2014-06-01/2014-06-30"), 500)
    assert refused["error"] == "the server failed to answer; its log says why"
