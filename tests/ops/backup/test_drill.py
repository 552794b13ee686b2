"""`ops drill`: the newest backup restores to what is live, and how it went is in the ledger, whatever happened."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

import asyncpg
import msgspec
import pytest

from archive.runs import Run, latest_run
from ops.backup.drill import Drill, Drilled, drill
from ops.backup.errors import DamagedBackup, NoBackup
from ops.backup.restore_errors import DrillFailed, DrillRunning, NoRoomForDrill
from ops.backup.scratch import Place, scratch_database
from ops.backup.surroundings import Surroundings
from project.options import utc_now
from project.replay import catch_up
from sql.connect import Role, open_owner, open_pool
from tests.command import run_command
from tests.ops.backup.backed_up import Warehouse, back_up, backed_up, now
from tests.ops.commands import start_command
from tests.payloads import archive_all, bar, range_response
from tests.project.random_archive import SESSIONS

_Spoil = Callable[[Warehouse], Awaitable[str]]
_SCRATCHES = "SELECT datname FROM pg_database WHERE starts_with(datname, 'warehouse_drill_' || $1 || '_')"


@pytest.fixture(scope="module")
async def shared(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Warehouse]:
    """Yield a warehouse with two backups, of which tests change nothing but the ledger."""
    async with backed_up(server_url, template, tmp_path_factory.mktemp("backups")) as warehouse:
        yield warehouse


@pytest.fixture
def copied(shared: Warehouse, tmp_path: Path) -> Warehouse:
    """Return that warehouse with a copy of its backups, for a test to spoil."""
    shutil.copytree(shared.folder, tmp_path / "copied")
    return msgspec.structs.replace(shared, folder=tmp_path / "copied")


@pytest.fixture
async def own(server_url: str, template: str, tmp_path: Path) -> AsyncIterator[Warehouse]:
    """Yield a warehouse with two backups, for a test to spoil."""
    async with backed_up(server_url, template, tmp_path / "backups") as warehouse:
        yield warehouse


async def _drill(url: str, folder: Path, place: Place = Place.SERVER) -> Drilled:
    said: list[str] = []
    around = Surroundings(utc_now, said.append, lambda doing, unit: nullcontext(lambda done, total: None))
    return await drill(url, Drill(folder, None, place), around)


async def _last_run(url: str) -> Run:
    async with open_pool(url, Role.READ) as pool:
        run = await latest_run(pool, ["drill"])
    assert run is not None
    return run


async def _scratches(url: str) -> list[str]:
    """Return the scratch databases that there are for the drills of a database."""
    async with open_owner(url) as owner:
        oid = await owner.fetchval("SELECT oid::text FROM pg_database WHERE datname = current_database()")
        return [row["datname"] for row in await owner.fetch(_SCRATCHES, oid)]


async def test_a_drill_on_the_command_line_passes_is_recorded_and_leaves_nothing(
    shared: Warehouse, command_environ: dict[str, str]
) -> None:
    async with open_owner(shared.url) as owner:
        prefix = await owner.fetchval(
            "SELECT 'warehouse_drill_' || oid || '_' FROM pg_database WHERE datname = current_database()"
        )
        await owner.execute(f"CREATE DATABASE {prefix}deadbeef")  # as a drill leaves it that is killed
    done = run_command(command_environ, "ops", "drill", str(shared.folder), DATABASE_URL=shared.url)
    assert done.returncode == 0, done.stderr
    summary = done.stdout.decode().splitlines()[-1]
    assert f"backup {shared.names[1]}, all 5 payloads whole" in summary
    assert "equals the live projection at payload 5" in summary
    assert "dump: loaded; scratch: server" in summary
    run = await _last_run(shared.url)
    assert run.finished_at is not None
    assert run.result is not None
    assert (run.result["passed"], run.result["backup"]) == (True, shared.names[1])
    assert run.result["compared_with"] == "live"
    assert set(run.result["seconds"]) == {"check", "live", "archive", "verify", "rebuild", "dump"}
    assert await _scratches(shared.url) == []


async def test_a_live_projection_that_has_moved_on_is_not_what_is_compared_with(own: Warehouse) -> None:
    async with open_pool(own.url, Role.INGEST) as ingest, open_pool(own.url, Role.PROJECT) as project:
        await archive_all(ingest, [range_response("MSFT", [bar(SESSIONS[0])])])
        drilled = await _drill(own.url, own.folder)
        assert (drilled.compared_with, drilled.checkpoint) == ("live", 5)
        await catch_up(project, now)
    drilled = await _drill(own.url, own.folder)
    assert (drilled.compared_with, drilled.checkpoint) == ("backed up", 5)
    assert drilled.why == "not with the live projection: it is of 6 payloads, the backup has 5"
    part = own.newest.projection
    assert part is not None
    assert drilled.content_hash == part.generation.content_hash


async def _spoil_tables(warehouse: Warehouse) -> str:
    async with open_owner(warehouse.url) as owner:
        await owner.execute("UPDATE projection.bar SET close = 1")
    return (
        "archive restores as it should, but the live tables hold content .*, recorded is .*; `project --verify` names"
    )


async def _spoil_live(warehouse: Warehouse) -> str:
    async with open_owner(warehouse.url) as owner:
        await owner.execute("UPDATE projection.generation SET content_hash = repeat('0', 32)")
    return "a replay has content .* at payload 5, the live projection has 000000000000"


async def _spoil_segment(warehouse: Warehouse) -> str:
    path = warehouse.folder / "archive" / warehouse.newest.archive.segments[0].file
    os.truncate(path, path.stat().st_size - 1)
    return f"backup {warehouse.names[1]} is damaged: archive/payloads-0000000001-0000000002.tar: has"


async def _spoil_dump(warehouse: Warehouse) -> str:
    """Let the dump be whole, and not of what the backup says: what is live is right."""
    warehouse.revise_generation(provenance_hash="0" * 32)
    return "the dump of the projection is damaged: its rows give content"


async def _spoil_folder(warehouse: Warehouse) -> str:
    shutil.rmtree(warehouse.folder / "backups")
    return "holds no backup"


async def _spoil_manifest(warehouse: Warehouse) -> str:
    """Let the backup be one of another archive."""
    async with open_owner(warehouse.url) as owner, owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute("UPDATE archive.payload SET chain_hash = sha256('other') WHERE archive_seq = 5")
    return "it is of another archive than this one"


async def _fails(warehouse: Warehouse, spoil: _Spoil, error: type[Exception]) -> None:
    why = await spoil(warehouse)
    with pytest.raises(error, match=why) as caught:
        await _drill(warehouse.url, warehouse.folder)
    run = await _last_run(warehouse.url)
    assert run.finished_at is not None
    known = None if error is NoBackup else warehouse.names[1]
    assert run.result == {"passed": False, "backup": known, "error": str(caught.value)}
    assert await _scratches(warehouse.url) == []


@pytest.mark.parametrize(
    ("spoil", "error"), [(_spoil_segment, DamagedBackup), (_spoil_dump, DrillFailed), (_spoil_folder, NoBackup)]
)
async def test_a_backup_that_is_not_whole_fails_the_drill_and_is_named_in_the_ledger(
    copied: Warehouse, spoil: _Spoil, error: type[Exception]
) -> None:
    await _fails(copied, spoil, error)


async def test_a_live_warehouse_that_is_not_the_backups_fails_the_drill_and_what_differs_is_named(
    own: Warehouse,
) -> None:
    await _fails(own, _spoil_tables, DrillFailed)
    await _fails(own, _spoil_live, DrillFailed)
    await _fails(own, _spoil_manifest, DrillFailed)


async def test_a_drill_that_is_stopped_drops_its_database_and_says_so(
    shared: Warehouse, command_environ: dict[str, str]
) -> None:
    environ = {**command_environ, "DATABASE_URL": shared.url}
    process = await start_command(environ, "ops", "drill", str(shared.folder))
    while not await _scratches(shared.url):
        assert process.returncode is None
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert process.returncode == 1
    assert "the drill was stopped by SIGTERM" in err.decode()
    run = await _last_run(shared.url)
    assert run.result is not None
    assert (run.result["passed"], run.result["error"]) == (False, "it was stopped by a signal")
    assert await _scratches(shared.url) == []


async def test_one_drill_at_a_time(shared: Warehouse) -> None:
    async with open_owner(shared.url) as other:
        await other.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.drill', 0))")
        with pytest.raises(DrillRunning):
            await _drill(shared.url, shared.folder)


async def test_an_embedded_scratch_takes_no_right_and_leaves_no_folder(
    shared: Warehouse, command_environ: dict[str, str], tmp_path: Path
) -> None:
    """By the login of a backup service, which may make no database; and beside what a killed drill left."""
    temporary = tmp_path / "temporary"
    left = temporary / "warehouse-drill-killed"
    left.mkdir(parents=True)
    temporary.chmod(0o777)
    (left / ".in-use").touch()
    async with open_owner(shared.url) as owner:
        await owner.execute("CREATE ROLE backup_service_of_a_test LOGIN IN ROLE warehouse_backup")
        try:
            url = shared.url.replace("postgres:@", "backup_service_of_a_test:@").replace(
                "postgres@", "backup_service_of_a_test@"
            )
            done = await asyncio.to_thread(
                run_command,
                command_environ,
                *("ops", "drill", str(shared.folder), "--json"),
                DATABASE_URL=url,
                TMPDIR=str(temporary),
            )
        finally:
            await owner.execute("DROP ROLE backup_service_of_a_test")
    assert done.returncode == 0, done.stderr
    assert msgspec.json.decode(done.stdout)["scratch"] == "embedded"
    assert list(temporary.glob("warehouse-drill-*")) == []


@pytest.mark.parametrize("place", Place)
async def test_a_scratch_database_asks_for_its_room_first(
    owner: asyncpg.Connection, database_url: str, place: Place
) -> None:
    data_directory = await owner.fetchval("SHOW data_directory")
    if place is Place.SERVER and not Path(data_directory).is_dir():
        pytest.skip("the server is not on this machine")
    with pytest.raises(NoRoomForDrill, match="needs about 1,152,921,504,606,846,976 bytes in "):
        async with scratch_database(owner, database_url, place, 2**60):
            raise AssertionError


async def test_a_warehouse_without_a_projection_is_drilled_with_too(
    ingest_pool: asyncpg.Pool, database_url: str, tmp_path: Path
) -> None:
    await archive_all(ingest_pool, [range_response("MSFT", [bar(SESSIONS[0])])])
    await back_up(database_url, tmp_path / "bare")
    drilled = await _drill(database_url, tmp_path / "bare")
    assert (drilled.passed, drilled.compared_with, drilled.dump) == (True, "nothing", "the backup holds none")
