"""A person's decisions are payloads that nobody fetched: plans, nights and the run ledger go on as without them."""

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.command import run_command
from tests.fake_polygon import FakePolygon
from tests.ingest.conftest import RunCommand
from tests.ingest.nights import vendor_of_today


@pytest.fixture
async def vendor() -> AsyncIterator[FakePolygon]:
    """Yield a vendor of the months up to today."""
    async with vendor_of_today() as server:
        yield server


async def test_a_night_after_a_decision_has_nothing_to_do_and_projects_it(
    ingest_command: RunCommand, command_environ: dict[str, str], owner: asyncpg.Connection, vendor: FakePolygon
) -> None:
    assert (await ingest_command("nightly", "--symbols", "AAPL,SPY")).code == 0
    runs = (await ingest_command("runs", "--json")).stdout
    session = await owner.fetchval("SELECT max(session) FROM projection.bar WHERE ticker = 'AAPL'")
    decided = run_command(command_environ, "project", "override", "AAPL", str(session), "--reject", "--because", "odd")
    assert decided.returncode == 0, decided.stderr
    sent = len(vendor.requests)
    plan = json.loads((await ingest_command("plan", "--symbols", "AAPL,SPY", "--json")).stdout)
    assert plan["requests"] == []
    assert (await ingest_command("runs", "--json")).stdout == runs
    night = await ingest_command("nightly", "--symbols", "AAPL,SPY")
    assert (night.code, night.stderr, len(vendor.requests)) == (0, "", sent)
    assert night.stdout.startswith("nothing to do: the archive has every answer for ")
    rejected = await owner.fetch(
        "SELECT ticker, session FROM projection.bar WHERE NOT validated AND session = $1", session
    )
    assert [row["ticker"] for row in rejected] == ["AAPL"]
