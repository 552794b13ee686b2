"""GET /ready: whether the server can answer, and if not, what is wrong and what to do."""

import asyncpg
import msgspec

from api.watch.check import Check
from api.watch.ready import Readiness
from sql.migrate import read_migrations
from tests.api.database_line import DatabaseLine
from tests.api.served import Client, served
from tests.api.watch.watched import Clock, fill


async def readiness(client: Client) -> dict[str, Check]:
    """Return the checks of /ready by name; the status of the answer must be theirs."""
    answer = await client.ask("/ready")
    found = msgspec.json.decode(answer.body, type=Readiness)
    is_ready = all(check.status == "ok" for check in found.checks)
    assert (answer.status, found.status) == ((200, "ready") if is_ready else (503, "not_ready"))
    assert answer.headers["cache-control"] == "no-store"
    assert all((check.todo is None) == (check.status == "ok") for check in found.checks)
    return {check.name: check for check in found.checks}


async def test_it_is_ready_with_a_projection_and_finds_the_database_again(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    async with DatabaseLine(database_url) as line, served(line.url, Clock()) as client:
        checks = await readiness(client)
        assert (checks["projection"].value, checks["projection"].todo) == ("nothing_projected", "run: project")
        await fill(ingest_pool, project_pool)
        checks = await readiness(client)
        assert [check.status for check in checks.values()] == ["ok", "ok", "ok"]
        assert checks["migrations"].value == checks["migrations"].bound == read_migrations()[-1].name
        await line.cut()
        assert {name: check.status for name, check in (await readiness(client)).items()} == {"database": "failed"}
        await line.mend()
        assert (await readiness(client))["database"].status == "ok"
        await owner.execute("UPDATE projection.generation SET shape = 'of another version'")
        checks = await readiness(client)
        assert (checks["projection"].value, checks["projection"].todo) == (
            "projection_outdated",
            "run: project --rebuild",
        )


async def test_migrations_must_be_those_of_this_software(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await fill(ingest_pool, project_pool)
    newest = read_migrations()[-1]
    async with served(database_url, Clock()) as client:
        found = []
        for statement in (
            f"UPDATE public.warehouse_migration SET checksum = 'other' WHERE number = {newest.number}",
            f"DELETE FROM public.warehouse_migration WHERE number = {newest.number}",
            "INSERT INTO public.warehouse_migration (number, name, checksum)"
            f" VALUES ({newest.number}, '{newest.name}', '{newest.checksum}'), (99, '0099_of_tomorrow.sql', 'x')",
            "DELETE FROM public.warehouse_migration",
            "DROP TABLE public.warehouse_migration",
        ):
            await owner.execute(statement)
            found.append((await readiness(client))["migrations"].message)
    assert found[:3] == [
        f"{newest.name} was edited after it was applied",
        f"{newest.name} is not applied",
        "0099_of_tomorrow.sql is of a newer version of this software",
    ]
    assert all(message.startswith("0001_") and message.endswith("is not applied") for message in found[3:])
