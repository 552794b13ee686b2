"""Every refusal has the one JSON shape, whatever the route and the reason."""

import asyncpg
import pytest

from tests.api.database_line import DatabaseLine
from tests.api.market import project
from tests.api.served import Client, served

EVERY_ROUTE = ("/health", "/api/v1/status", "/api/v1/historical/SEVN", "/openapi.json")
READING_ROUTES = ("/api/v1/status", "/api/v1/historical/SEVN")


@pytest.mark.parametrize(
    ("query", "parameter", "message"),
    [
        ("start=2023-02-30", "start", "start is 2023-02-30: must be a date that exists, written YYYY-MM-DD"),
        ("start=2023-2-1", "start", "start is 2023-2-1: must be a date that exists, written YYYY-MM-DD"),
        ("end=20230201", "end", "end is 20230201: must be a date that exists, written YYYY-MM-DD"),
        ("end=null", "end", "end is null: must be a date that exists, written YYYY-MM-DD"),
        ("start=", "start", "start is : must be a date that exists, written YYYY-MM-DD"),
        ("end=2023-02-01T00:00:00Z", "end", "must be a date that exists"),
        (
            "start=2023-02-02&end=2023-02-01",
            "start",
            "start is 2023-02-02: must not be after end, which is 2023-02-01",
        ),
        ("validated_only=yes", "validated_only", "validated_only is yes: must be true, false, 1 or 0"),
        ("min_quality=1.01", "min_quality", "min_quality is 1.01: must be a number from 0 to 1"),
        ("min_quality=-0.01", "min_quality", "must be a number from 0 to 1"),
        ("min_quality=nan", "min_quality", "must be a number from 0 to 1"),
        ("min_quality=inf", "min_quality", "must be a number from 0 to 1"),
        ("min_quality=high", "min_quality", "must be a number from 0 to 1"),
        ("adjusted=some", "adjusted", "adjusted is some: must be one of all, none, splits"),
        ("adjusted=true", "adjusted", "must be one of all, none, splits"),
        ("start=2014-06-05&start=2014-06-06", "start", "must be given once"),
        ("adjusted=none&adjusted=none", "adjusted", "must be given once"),
    ],
)
async def test_a_value_out_of_its_bound_is_named(client: Client, query: str, parameter: str, message: str) -> None:
    answer = await client.ask(f"/api/v1/historical/SEVN?{query}")
    error = answer.refusal()
    assert (answer.status, error.code, error.parameter) == (422, "invalid_parameter", parameter)
    assert message in error.message


@pytest.mark.parametrize("symbol", ["%00", "SE%00VN", "SE%20VN", "%09", "A" * 65])
async def test_what_cannot_be_a_symbol_is_named(client: Client, symbol: str) -> None:
    answer = await client.ask(f"/api/v1/historical/{symbol}")
    error = answer.refusal()
    assert (answer.status, error.code, error.parameter) == (422, "invalid_parameter", "symbol")
    assert "must be one word of at most 64 characters" in error.message


@pytest.mark.parametrize(
    "symbol", ["AAPLX", "sevn", "SEVN%0A", "'; DROP TABLE bar; --".replace(" ", "+"), "%F0%9F%92%A9", "%FF"]
)
async def test_an_unknown_symbol_is_not_found(client: Client, symbol: str) -> None:
    answer = await client.ask(f"/api/v1/historical/{symbol}")
    assert (answer.status, answer.refusal().code, answer.refusal().parameter) == (404, "unknown_symbol", "symbol")


@pytest.mark.parametrize("route", EVERY_ROUTE)
async def test_an_unknown_parameter_is_named_on_every_route(client: Client, route: str) -> None:
    answer = await client.ask(f"{route}?colour=red")
    error = answer.refusal()
    assert (answer.status, error.code, error.parameter) == (422, "unknown_parameter", "colour")


async def test_an_unknown_parameter_is_told_which_are_known(client: Client) -> None:
    message = (await client.ask("/api/v1/historical/SEVN?symbol=AAPL")).refusal().message
    assert message.endswith("start, end, limit, cursor, layout, columns")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/health/",
        "/api/v1/historical/",
        "/api/v1/historical/A/B",
        "/static/../app.py",
        "/static/none.js",
        "//",
        "/docs/x",
    ],
)
async def test_an_unknown_path_is_not_found(client: Client, path: str) -> None:
    answer = await client.ask(path)
    assert (answer.status, answer.refusal().code, answer.refusal().parameter) == (404, "unknown_path", None)


@pytest.mark.parametrize("route", [*EVERY_ROUTE, "/docs", "/", "/static/docs.js"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_what_is_read_only_takes_no_other_method(client: Client, route: str, method: str) -> None:
    answer = await client.ask(route, method=method)
    assert (answer.status, answer.refusal().code) == (405, "method_not_allowed")


async def test_an_echoed_value_is_cut_to_a_bounded_length(client: Client) -> None:
    for target in (f"/api/v1/historical/SEVN?start={'9' * 5000}", f"/{'x' * 5000}", f"/health?{'y' * 5000}=1"):
        answer = await client.ask(target)
        answer.refusal()
        assert len(answer.body) < 500


@pytest.mark.parametrize("route", READING_ROUTES)
async def test_without_a_projection_there_is_nothing_to_read_yet(
    database_url: str, projector: asyncpg.Connection, route: str
) -> None:
    async with served(database_url) as client:
        answer = await client.ask(route)
        assert (answer.status, answer.refusal().code) == (503, "nothing_projected")
        await project(projector)
        assert (await client.ask(route)).status == 200
        await projector.execute("DELETE FROM projection.generation")
        assert (await client.ask(route)).refusal().code == "nothing_projected"


@pytest.mark.parametrize("route", READING_ROUTES)
async def test_a_projection_of_another_version_says_so(
    database_url: str, projector: asyncpg.Connection, route: str
) -> None:
    await project(projector)
    await projector.execute("ALTER TABLE projection.symbol_status RENAME COLUMN bars TO candles")
    await projector.execute("ALTER FUNCTION projection.series_of RENAME TO candles_of")
    async with served(database_url) as client:
        answer = await client.ask(route)
        assert (answer.status, answer.refusal().code) == (503, "projection_outdated")


@pytest.mark.parametrize("route", READING_ROUTES)
async def test_a_fault_of_ours_is_logged_and_not_told(
    database_url: str, projector: asyncpg.Connection, caplog: pytest.LogCaptureFixture, route: str
) -> None:
    await project(projector)
    await projector.execute("REVOKE SELECT ON projection.symbol_status FROM warehouse_read")
    async with served(database_url) as client:
        answer = await client.ask(route)
    assert (answer.status, answer.refusal().code) == (500, "internal_error")
    assert "symbol_status" not in answer.body.decode()
    logged = [record for record in caplog.records if record.exc_info]
    assert len(logged) == 1
    assert "permission denied for table symbol_status" in str(logged[0].exc_info)


async def test_a_database_that_goes_away_is_said_and_its_return_noticed(market_url: str) -> None:
    async with DatabaseLine(market_url) as line, served(line.url) as client:
        for route in READING_ROUTES:
            assert (await client.ask(route)).status == 200
        await line.cut()
        for route in (*READING_ROUTES, *READING_ROUTES):
            answer = await client.ask(route)
            assert (answer.status, answer.refusal().code) == (503, "database_away")
        assert (await client.ask("/health")).status == 200
        await line.mend()
        for route in READING_ROUTES:
            assert (await client.ask(route)).status == 200


async def test_connections_that_were_ended_by_the_server_are_replaced(
    database_url: str, projector: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await project(projector)
    async with served(database_url) as client:
        assert (await client.ask("/api/v1/status")).status == 200
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'warehouse_read'"
        )
        answers = [await client.ask("/api/v1/status") for _ in range(10)]
    # At most the request that met the ended connection is refused.
    assert [answer.status for answer in answers[1:]] == [200] * 9
    if answers[0].status != 200:
        assert answers[0].refusal().code == "database_away"
