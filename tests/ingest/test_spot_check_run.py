"""A spot check on a real archive and a real projection: what it finds, what it leaves behind, what it leaves alone."""

import datetime as dt
import uuid
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest

from archive.payload import Response
from archive.read import archive_head, read_payload
from archive.runs import latest_run
from archive.verify import verify_archive
from ingest.errors import NothingCompared
from ingest.period import Period
from ingest.spot.check import Band, SpotCheck
from ingest.spot.csv_bars import CsvFolder
from ingest.spot.run import Wish, run_spot_check
from ingest.spot.second_source import NoSecondOpinion, SecondSource
from project.audit.session import audit_session
from project.rebuild import catch_up_or_build, rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.ingest.spot_market import (
    EX_DATE,
    HOLE,
    RECENT,
    SESSIONS,
    SYMBOLS,
    in_shares_of_today,
    project_market,
    traded,
    write_folder,
)
from tests.payloads import FETCHED_AT, archive_all, bar, body
from tests.project.market_files import actions, bars_of, lines
from tests.project.tables import all_tables, the_generation

NOW = dt.datetime(2024, 7, 2, 1, 0, tzinfo=dt.UTC)  # still the evening of the 1st in New York
TODAY = dt.date(2024, 7, 1)
RULESET = read_ruleset(DEFAULT_RULES)


def now() -> dt.datetime:
    """Return the instant at which these spot checks take place."""
    return NOW


class Warehouse:
    """A projected market, and spot checks of it."""

    def __init__(self, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> None:
        self.ingest_pool, self.project_pool, self.read_pool = ingest_pool, project_pool, read_pool

    async def check(self, source: SecondSource, wish: Wish | None = None) -> SpotCheck:
        """Run a spot check."""
        return await run_spot_check(self.ingest_pool, self.read_pool, source, wish or Wish(), now)


@pytest.fixture
async def warehouse(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> Warehouse:
    """Return a warehouse of the small market."""
    await project_market(ingest_pool, project_pool)
    return Warehouse(ingest_pool, project_pool, read_pool)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the market's closes as traded."""
    return write_folder(tmp_path / "bars", traded())


async def test_the_same_closes_are_all_within_and_only_the_hole_is_missing(warehouse: Warehouse, folder: Path) -> None:
    found = await warehouse.check(CsvFolder(folder, split_adjusted=False))
    asked = found.asked
    assert (asked.first, asked.last, asked.as_of) == (RECENT[0], RECENT[-1], None)
    assert (asked.seed, asked.symbols, asked.candidates, asked.nameless) == (20240701, tuple(sorted(SYMBOLS)), 5, 0)
    assert found.compared == 5 * 30 - 1
    assert found.bands == {Band.WITHIN_0_2: 149, Band.TO_1: 0, Band.TO_5: 0, Band.ABOVE_5: 0}
    assert (found.they_lack, found.we_lack, found.not_comparable, found.worst) == (0, 1, 0, ())
    assert (found.far_percent, found.passed) == (0.0, True)
    assert {each.symbol: each.we_lack for each in found.symbols if each.we_lack} == {HOLE[0]: (HOLE[1],)}


async def test_planted_differences_are_found_each_in_its_band(warehouse: Warehouse, tmp_path: Path) -> None:
    closes = traded()
    planted = {("ACME", 12): 1.001, ("BCPC", 15): 0.995, ("BCpC", 18): 1.03, ("SPLT", 30): 0.8}
    for (symbol, place), times in planted.items():
        closes[symbol][SESSIONS[place]] *= times
    del closes["ACME"][SESSIONS[20]]
    closes["BCPC"][SESSIONS[21]] = 0.0
    closes["BCPC"][SESSIONS[22]] = float("nan")
    found = await warehouse.check(CsvFolder(write_folder(tmp_path / "bars", closes), split_adjusted=False))
    assert found.bands == {Band.WITHIN_0_2: 143, Band.TO_1: 1, Band.TO_5: 1, Band.ABOVE_5: 1}
    assert (found.compared, found.they_lack, found.we_lack, found.not_comparable) == (146, 1, 1, 2)
    assert [(each.symbol, each.session, each.band) for each in found.worst] == [
        ("SPLT", SESSIONS[30], Band.ABOVE_5),
        ("BCpC", SESSIONS[18], Band.TO_5),
        ("BCPC", SESSIONS[15], Band.TO_1),
        ("ACME", SESSIONS[12], Band.WITHIN_0_2),
    ]
    assert [round(each.percent, 3) for each in found.worst] == [25.0, -2.913, 0.503, -0.1]
    assert found.far_percent == 100 * 2 / 146
    assert not found.passed
    assert (await warehouse.check(CsvFolder(tmp_path / "bars", split_adjusted=False), Wish(worst_percent=2.0))).passed


async def test_a_split_inside_the_period_is_undone_for_closes_in_shares_of_today_and_only_then(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    adjusted = write_folder(tmp_path / "adjusted", in_shares_of_today())
    found = await warehouse.check(CsvFolder(adjusted, split_adjusted=True))
    assert (found.asked.as_of, found.passed, found.worst) == (TODAY, True, ())
    found = await warehouse.check(CsvFolder(adjusted, split_adjusted=False))
    before = [session for session in RECENT if session < EX_DATE]
    assert found.bands[Band.ABOVE_5] == len(before) == 15
    assert {(each.symbol, each.percent) for each in found.worst} == {("SPLT", 300.0)}


async def test_a_sample_is_drawn_by_its_seed_from_what_the_folder_has(warehouse: Warehouse, folder: Path) -> None:
    (folder / "BCpC.csv").rename(folder / "bcpc.csv")
    source = CsvFolder(folder, split_adjusted=False)
    samples = {seed: (await warehouse.check(source, Wish(sample=2, seed=seed))).asked.symbols for seed in range(6)}
    assert all(len(sample) == 2 for sample in samples.values())
    assert set().union(*samples.values()) == set(SYMBOLS) - {"BCpC"}
    again = await warehouse.check(source, Wish(sample=2, seed=3))
    assert again.asked.symbols == samples[3]
    assert (again.asked.nameless, again.asked.named_nameless) == (1, ("BCpC",))


async def test_what_was_compared_is_in_the_archive_byte_for_byte_and_sealed(warehouse: Warehouse, folder: Path) -> None:
    head = await archive_head(warehouse.ingest_pool)
    found = await warehouse.check(CsvFolder(folder, split_adjusted=False), Wish(first=RECENT[3], last=RECENT[9]))
    payloads = [await read_payload(warehouse.ingest_pool, head + place) for place in range(1, 6)]
    assert [payload.response.request.ticker for payload in payloads] == sorted(SYMBOLS)
    for payload in payloads:
        request = payload.response.request
        assert payload.run_id == found.run_id
        assert (request.from_date, request.to_date) == (RECENT[3], RECENT[9])
        assert payload.response.body == (folder / request.target.removeprefix("/")).read_bytes()
    verification = await verify_archive(warehouse.ingest_pool)
    assert (verification.problem, verification.seals) == (None, 1)
    assert await warehouse.ingest_pool.fetchval("SELECT max(to_seq) FROM archive.seal") == head + 5


async def test_the_ledger_has_the_sample_and_what_came_of_it(warehouse: Warehouse, folder: Path) -> None:
    found = await warehouse.check(CsvFolder(folder, split_adjusted=False), Wish(sample=2, seed=5))
    run = await latest_run(warehouse.ingest_pool, ["spot_check"])
    assert run is not None
    assert (run.run_id, run.started_at, run.finished_at) == (found.run_id, NOW, NOW)
    assert run.plan == msgspec.json.decode(msgspec.json.encode(found.asked))
    assert run.plan["seed"] == 5
    assert run.result == msgspec.json.decode(msgspec.json.encode(found))


async def test_no_bar_and_no_audit_is_another_than_before(warehouse: Warehouse, folder: Path) -> None:
    """Payloads of a second source are archived and replayed, and say nothing of any bar, even in the vendor's words."""
    pool = warehouse.project_pool

    async def believed() -> tuple[object, ...]:
        generation = await the_generation(pool)
        return generation.content_hash, generation.provenance_hash, await all_tables(pool)

    async def audits() -> list[object]:
        async with warehouse.read_pool.acquire() as connection:
            found = [await audit_session(connection, day) for day in RECENT]
        # Which generation it is, and how far it has come, is another matter.
        return [
            msgspec.structs.replace(each, payloads=0, checkpoint=0, generation_id=uuid.UUID(int=0)) for each in found
        ]

    before = await believed(), await audits()
    write_folder(folder, in_shares_of_today())
    (folder / "ACME.csv").write_bytes(body([bar(session, 1.0) for session in RECENT], "ACME"))
    await warehouse.check(CsvFolder(folder, split_adjusted=True))
    assert (await believed(), await audits()) == before
    head = await archive_head(pool)
    assert (await catch_up_or_build(pool, RULESET, now)).generation.checkpoint == head
    assert (await believed(), await audits()) == before
    assert (await rebuild(pool, RULESET, now)).generation.checkpoint == head
    assert (await believed(), await audits()) == before


async def test_it_neither_waits_for_a_run_of_ingest_nor_stops_one(
    warehouse: Warehouse, folder: Path, owner: asyncpg.Connection
) -> None:
    await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.ingest', 0))")
    await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.project', 0))")
    assert (await warehouse.check(CsvFolder(folder, split_adjusted=False))).passed


class Moody:
    """A second source that has closes of ACME alone and raises something for everybody else."""

    def __init__(self, folder: Path, refusals: dict[str, NoSecondOpinion]) -> None:
        self.source, self.split_adjusted = "moody", False
        self.asked: list[str] = []
        self._folder = CsvFolder(folder, split_adjusted=False)
        self._refusals = refusals

    def name_of(self, symbol: str) -> str | None:
        """Return a name for everything but BRK.B."""
        return None if symbol == "BRK.B" else symbol.lower()

    async def fetch(self, symbol: str, period: Period, now: Callable[[], dt.datetime]) -> Response:
        """Refuse those it was told to refuse."""
        self.asked.append(symbol)
        if symbol in self._refusals:
            raise self._refusals[symbol]
        return msgspec.structs.replace(await self._folder.fetch(symbol, period, now), source=self.source)


async def test_a_symbol_without_a_second_opinion_costs_no_other_its_own(warehouse: Warehouse, folder: Path) -> None:
    (folder / "BCpC.csv").write_text("date,close\n2000-01-03,1\n")
    (folder / "SPLT.csv").write_text("<html>come back later</html>")
    moody = Moody(folder, {"BCPC": NoSecondOpinion("no route\nto host")})
    found = await warehouse.check(moody)
    assert moody.asked == ["ACME", "BCPC", "BCpC", "SPLT"]
    assert found.failures() == {
        "BCPC": "no route to host",
        "BCpC": f"no close from {RECENT[0]} to {RECENT[-1]}",
        "SPLT": "its header has no column date and no close",
    }
    assert (found.compared, found.passed) == (30, True)
    assert found.asked.named_nameless == ("BRK.B",)
    assert [each.asked_as for each in found.symbols] == ["acme", "bcpc", "bcpc", "splt"]
    sources = await warehouse.ingest_pool.fetch("SELECT ticker FROM archive.payload WHERE source = 'moody'")
    assert [row["ticker"] for row in sources] == ["ACME", "BCpC", "SPLT"]


async def test_a_source_that_sends_everybody_away_is_not_asked_again(warehouse: Warehouse, folder: Path) -> None:
    moody = Moody(folder, {"BCPC": NoSecondOpinion("too many requests", for_good=True)})
    found = await warehouse.check(moody)
    assert moody.asked == ["ACME", "BCPC"]
    assert found.failures() == dict.fromkeys(("BCPC", "BCpC", "SPLT"), "too many requests")
    assert found.compared == 30


async def test_where_nobody_has_an_opinion_nothing_has_passed(warehouse: Warehouse, folder: Path) -> None:
    found = await warehouse.check(Moody(folder, dict.fromkeys(SYMBOLS, NoSecondOpinion("gone"))))
    assert (found.compared, found.far_percent, found.passed) == (0, None, False)
    run = await latest_run(warehouse.ingest_pool, ["spot_check"])
    assert run is not None
    assert run.result is not None


async def test_without_a_symbol_to_ask_for_no_run_begins(warehouse: Warehouse, tmp_path: Path) -> None:
    empty = CsvFolder(write_folder(tmp_path / "empty", {}), split_adjusted=False)
    with pytest.raises(NothingCompared, match=r"csv has none of ACME, BCPC, BCpC, BRK\.B, SPLT$"):
        await warehouse.check(empty)
    with pytest.raises(NothingCompared, match="no validated bar from 1999-01-04 to 1999-01-29"):
        await warehouse.check(empty, Wish(first=dt.date(1999, 1, 4), last=dt.date(1999, 1, 29)))
    assert await latest_run(warehouse.ingest_pool, ["spot_check"]) is None


async def test_the_real_split_of_2014_is_undone(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    read_pool: asyncpg.Pool,
    market_data: Path,
    tmp_path: Path,
) -> None:
    """AAPL of 2014, 7 for 1 on 9 June: as traded, and as a source that restates for splits has it."""
    await archive_all(ingest_pool, [*actions(market_data), bars_of(market_data, "AAPL")])
    await rebuild(project_pool, RULESET, lambda: FETCHED_AT)
    warehouse = Warehouse(ingest_pool, project_pool, read_pool)
    wish = Wish(first=dt.date(2014, 1, 1), last=dt.date(2014, 12, 31))
    found = await warehouse.check(CsvFolder(market_data / "bars", split_adjusted=False), wish)
    assert (found.compared, found.they_lack, found.we_lack, found.worst) == (252, 0, 0, ())
    of_2014 = {
        day: float(line["close"]) / (7 if day < dt.date(2014, 6, 9) else 1)
        for line in lines(market_data / "bars" / "AAPL.csv")
        if (day := dt.date.fromisoformat(line["date"])).year == 2014
    }
    adjusted = write_folder(tmp_path / "adjusted", {"AAPL": of_2014})
    found = await warehouse.check(CsvFolder(adjusted, split_adjusted=True), wish)
    assert (found.compared, found.bands[Band.WITHIN_0_2], found.worst) == (252, 252, ())
    found = await warehouse.check(CsvFolder(adjusted, split_adjusted=False), wish)
    assert found.bands[Band.ABOVE_5] == sum(day < dt.date(2014, 6, 9) for day in of_2014)
