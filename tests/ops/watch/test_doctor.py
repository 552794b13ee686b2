"""The doctor against what it is to find: a vendor that refuses, clocks that differ, guards that are off, damage."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tenacity.wait import wait_none

from api.watch.check import Check
from archive.payload import Endpoint, Request, Response, Transfer
from archive.read import archive_head, read_payload
from archive.verify import verify_archive
from ingest.patience import Patience
from ingest.settings import IngestSettings
from ops.watch.check_chain import check_chain
from ops.watch.check_clock import check_clock
from ops.watch.check_database import BAD_PAIRINGS, Server, Workers, check_server
from ops.watch.check_vendor import ask_vendor
from ops.watch.doctor import examine
from project.replay import catch_up
from tests.api.watch.watched import NIGHT, NOW, WEEK, bars_of, fill, run_of
from tests.fake_polygon import FakePolygon, SyntheticMarket
from tests.payloads import archive_all

KEY = "sk-vendor-0123456789"
PATIENCE = Patience(attempts=2, wait=wait_none(), connect_s=2.0, silence_s=0.3, total_s=0.5, throttled_s=0.0)
WELL = {"outcomes": [{"subject": "S1", "ending": "answered"}], "left_to_ask": 0}


class Doctor:
    """A doctor for one warehouse, whose vendor and environment a test changes."""

    def __init__(self, vendor: FakePolygon, project_pool: asyncpg.Pool, environ: Mapping[str, str]) -> None:
        self.vendor, self.project_pool = vendor, project_pool
        self.environ = {**environ, "POLYGON_API_KEY": KEY, "POLYGON_BASE_URL": vendor.url}

    async def examine(self, environ: Mapping[str, str] = {}, *, offline: bool = True) -> dict[str, Check]:
        """Return the checks by name; several of one name become the last."""
        checks = await examine(
            lambda: NOW,
            offline=offline,
            project=self._project,
            environ={**self.environ, **environ},
            patience=PATIENCE,
        )
        assert all(check.todo for check in checks if check.status == "failed")
        assert KEY not in str(checks)
        return {check.name: check for check in checks}

    async def failed(self) -> dict[str, str]:
        """Return what each check that failed says, but for the clock: that of these tests stands still."""
        checks = await self.examine()
        return {each.name: each.message for each in checks.values() if each.status == "failed" and each.name != "clock"}

    async def _project(self) -> None:
        await catch_up(self.project_pool, lambda: NOW)


@pytest.fixture(scope="module")
async def vendor() -> AsyncIterator[FakePolygon]:
    """Yield a vendor that behaves until it is told otherwise."""
    first, last = dt.date(2026, 11, 2), dt.date(2026, 11, 20)
    async with FakePolygon(SyntheticMarket(7, ("AAPL",), first, last=last), key=KEY, clock=lambda: NOW) as vendor:
        yield vendor


@pytest.fixture
async def doctor(
    vendor: FakePolygon, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, command_environ: dict[str, str]
) -> Doctor:
    """Return a doctor for a warehouse that is well, after a night."""
    await fill(ingest_pool, project_pool)
    await run_of(ingest_pool, "nightly", NIGHT, WELL)
    await ingest_pool.execute(
        "INSERT INTO archive.seal SELECT 10, chain_hash, $1 FROM archive.payload WHERE archive_seq = 10", NIGHT
    )
    return Doctor(vendor, project_pool, command_environ)


async def test_the_key_is_tried_by_a_request_that_is_archived_sealed_and_projected(
    doctor: Doctor, read_pool: asyncpg.Pool
) -> None:
    checks = await doctor.examine(offline=False)
    assert checks["vendor_key"].status == "ok"
    assert {name for name, check in checks.items() if check.status == "failed"} == {"clock"}
    assert checks["clock"].message.startswith("this machine's clock is ")
    assert await archive_head(read_pool) == 11
    payload = await read_payload(read_pool, 11)
    assert (payload.response.request.endpoint, payload.response.http_status) == (Endpoint.HOLIDAYS, 200)
    kinds = {row["kind"] for row in await read_pool.fetch("SELECT kind FROM archive.run")}
    assert kinds == {"nightly", "doctor"}
    again = await doctor.examine()
    assert (again["projector"].message, again["chain"].value) == ("every payload is projected", 11)
    assert "--offline" in again["vendor_key"].message
    assert (await verify_archive(read_pool)).first_bad is None


async def test_no_key_a_refused_key_a_small_plan_and_a_vendor_that_is_away_are_told_apart(
    doctor: Doctor, vendor: FakePolygon, read_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    async def told(**environ: str) -> tuple[str, str]:
        settings = IngestSettings.from_environ({**doctor.environ, "RATE_LIMIT_PER_MINUTE": "0", **environ})
        asked = await ask_vendor(doctor.environ["DATABASE_URL"], settings, lambda: NOW, PATIENCE)
        assert not {KEY, "sk-another-9876543210"} & set(str(asked).split())
        return asked.check.status, asked.check.message

    assert await told(POLYGON_API_KEY="") == ("failed", "no key is set, so nothing new can be fetched")
    assert await archive_head(read_pool) == 10
    refused = "the vendor refuses the key: the vendor says 401: Unknown API Key"
    assert await told(POLYGON_API_KEY="sk-another-9876543210") == ("failed", refused)
    troubles: list[tuple[Callable[[], None], str, str]] = [
        (partial(vendor.forbid_next, "not_entitled"), "failed", "its plan is too small"),
        (partial(vendor.fail_next, 429, times=2), "warn", "asked too often"),
        (partial(vendor.fail_next, 503, times=2), "failed", "503"),
        (partial(vendor.fail_next, 404), "failed", "is not the vendor"),
    ]
    for trouble, level, part in troubles:
        trouble()
        status, message = await told()
        assert (status, part in message) == (level, True), message
    assert await archive_head(read_pool) == 10 + 7  # every answer, 401 and 503 too
    assert (await verify_archive(read_pool)).first_bad is None
    status, message = await told(POLYGON_BASE_URL="http://127.0.0.1:1")
    assert (status, "cannot be reached: no connection" in message) == ("failed", True)
    await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.ingest', 0))")
    status, message = await told()
    assert (status, "a run is fetching at this moment" in message) == ("warn", True)
    assert await archive_head(read_pool) == 17


async def test_what_is_broken_is_found(doctor: Doctor, owner: asyncpg.Connection) -> None:
    assert await doctor.failed() == {}
    await owner.execute("GRANT UPDATE (headers) ON archive.payload TO warehouse_project")
    await owner.execute("GRANT TRUNCATE ON archive.run TO warehouse_backup")
    found = await doctor.failed()
    assert found.pop("append_only").endswith("warehouse_backup on run, warehouse_project on payload")
    await owner.execute("REVOKE UPDATE (headers) ON archive.payload FROM warehouse_project")
    await owner.execute("REVOKE TRUNCATE ON archive.run FROM warehouse_backup")
    await owner.execute("ALTER TABLE archive.seal DISABLE TRIGGER seal_is_append_only")
    found |= await doctor.failed()
    assert found.pop("append_only") == "no trigger refuses changes to archive.seal"
    await owner.execute("ALTER TABLE archive.seal ENABLE TRIGGER seal_is_append_only")
    await owner.execute("UPDATE public.warehouse_migration SET checksum = 'x' WHERE number = 3")
    found |= await doctor.failed()
    assert "0003_add_roles.sql was edited" in found.pop("migrations")
    assert found == {}


async def test_damage_at_the_end_of_the_chain_is_found(doctor: Doctor, owner: asyncpg.Connection) -> None:
    unsealed = "payload 10, or one before it, is not what was sealed"
    for statement, said in (
        ("UPDATE archive.payload SET http_status = 201 WHERE archive_seq = 7", "payload 7 is not what was archived"),
        ("UPDATE archive.payload SET body = 'x' WHERE archive_seq = 9", "payload 9 is not what was archived"),
        ("DELETE FROM archive.payload WHERE archive_seq = 8", "payload 8 is not what was archived"),
        ("UPDATE archive.seal SET chain_hash = sha256('x')", unsealed),
        ("DELETE FROM archive.payload WHERE archive_seq = 10", unsealed),
    ):
        attempt = owner.transaction()
        await attempt.start()
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute(statement)
        check = await check_chain(owner, is_fetching=False)
        await attempt.rollback()
        assert (check.status, check.message.startswith(said)) == ("failed", True), check
    assert (await doctor.examine())["chain"].status == "ok"


async def test_payloads_that_a_killed_run_left_unsealed_are_something_to_know_of(
    doctor: Doctor, ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await archive_all(ingest_pool, [bars_of("S1", WEEK)])
    check = (await doctor.examine())["chain"]
    assert (check.status, check.value, check.bound) == ("warn", 10, 11)
    assert (await check_chain(owner, is_fetching=True)).status == "ok"


async def test_places_and_settings_are_looked_at_though_the_database_is_away(doctor: Doctor, tmp_path: Path) -> None:
    away = {"DATABASE_URL": "postgresql://user:pass-0123456789@127.0.0.1:1/market"}
    checks = await doctor.examine({"BACKUP_DIR": str(tmp_path / "missing"), **away}, offline=False)
    levels = {name: check.status for name, check in checks.items()}
    assert levels == {
        "settings": "ok",
        "vendor_key": "warn",
        "clock": "warn",
        "disk": "ok",
        "backup_disk": "failed",
        "database": "failed",
        "backup_folder": "failed",
        "alerts": "warn",
    }
    assert "could not be archived" in checks["vendor_key"].message
    assert "pass-0123456789" not in str(checks)
    told = {"ALERT_URL": "http://hooks.example/x", "HEARTBEAT_URL": "http://beats.example/x"}
    checks = await doctor.examine({"BACKUP_DIR": str(tmp_path), **away, **told})
    assert checks["alerts"].status == "ok"
    assert "GiB are free in" in checks["backup_disk"].message
    assert "there is no backup in" in checks["backup_folder"].message
    # What the system does not even let us ask for.
    checks = await doctor.examine({"BACKUP_DIR": str(tmp_path / ("d" * 300)), **away})
    assert (checks["backup_disk"].status, checks["backup_folder"].status) == ("failed", "failed")


async def test_a_setting_that_cannot_be_used_is_named_and_the_rest_is_looked_at(doctor: Doctor) -> None:
    checks = await doctor.examine({"FRESH_MIN_SHARE": "7", "RATE_LIMIT_PER_MINUTE": "many"}, offline=False)
    assert checks["settings"].status == "failed"
    assert "vendor_key" not in checks
    assert checks["sessions"].status == "ok"
    checks = await doctor.examine({"DATABASE_URL": "mysql://user:pass-0123456789@h/db"})
    assert "DATABASE_URL is '(hidden)'" in checks["settings"].message
    assert "database" not in checks
    checks = await doctor.examine({"API_HOST": "0.0.0.0"})
    assert checks["api_keys"].status == "failed"


async def test_a_login_for_one_job_is_told_what_it_cannot_do(doctor: Doctor, owner: asyncpg.Connection) -> None:
    login = f"login_{await owner.fetchval('SELECT current_database()')}"
    await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE warehouse_read")
    try:
        url = doctor.environ["DATABASE_URL"].replace("postgres:", f"{login}:x").replace("postgres@", f"{login}:x@")
        checks = await doctor.examine({"DATABASE_URL": url}, offline=False)
        levels = {name: check.status for name, check in checks.items()}
        assert (levels["roles"], levels["vendor_key"], levels["sessions"]) == ("warn", "warn", "ok")
        assert "cannot act as warehouse_ingest, warehouse_project" in checks["roles"].message
        assert "could not be archived" in checks["vendor_key"].message
        await owner.execute(f"REVOKE warehouse_read FROM {login}")
        checks = await doctor.examine({"DATABASE_URL": url}, offline=False)
        assert (checks["roles"].status, checks["migrations"].status) == ("failed", "warn")
        await owner.execute(f"GRANT warehouse_ingest TO {login}")
        checks = await doctor.examine({"DATABASE_URL": url}, offline=False)
        assert (checks["roles"].status, checks["projection"].status) == ("warn", "warn")
        assert checks["append_only"].status == "ok"
    finally:
        await owner.execute(f"DROP ROLE {login}")


async def test_a_database_that_is_no_warehouse_yet_is_told_to_be_migrated(
    doctor: Doctor, empty_database_url: str
) -> None:
    checks = await doctor.examine({"DATABASE_URL": empty_database_url}, offline=False)
    assert (checks["database"].status, checks["migrations"].status) == ("ok", "failed")
    assert "append_only" not in checks
    assert "ops migrate" in (checks["migrations"].todo or "")
    assert checks["vendor_key"].status == "warn"


def dated(seconds: float, **headers: str) -> Response:
    """Return a response whose sender's clock is so many seconds ahead."""
    date = (NOW + dt.timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    named = [("date", date), *headers.items()]
    return Response("polygon", Request(Endpoint.HOLIDAYS, "/x"), NOW, 200, named, Transfer.COMPLETE, b"[]")


@pytest.mark.parametrize(
    ("of_database_s", "response", "status", "value"),
    [
        (None, None, "warn", None),
        (0.2, None, "ok", 0.2),
        (0.2, dated(-2), "ok", -1.5),
        (0.2, dated(-3600, age="3599"), "ok", -0.5),
        (0.0, dated(9), "warn", 9.5),
        (-61.0, dated(0), "failed", -61.0),
        (0.0, dated(3600), "failed", 3600.5),
    ],
)
def test_the_clock_is_held_against_both_others(
    of_database_s: float | None, response: Response | None, status: str, value: float | None
) -> None:
    check = check_clock(of_database_s, response)
    assert (check.status, check.value) == (status, value)


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 2026 03:00:00 GMT"])
def test_a_vendor_without_a_usable_date_is_no_clock(date: str) -> None:
    response = Response("polygon", Request(Endpoint.HOLIDAYS, "/x"), NOW, 200, [("Date", date)], Transfer.COMPLETE, b"")
    assert check_clock(None, response).status == "warn"


def test_a_server_that_does_not_flush_what_it_says_is_stored_fails() -> None:
    server = Server("18.1", "login", 0.0, "origin", 1, False, True, None, None, ())
    [check] = check_server(server, "postgresql://h/db")
    assert check.status == "failed"
    assert "fsync" in check.message


def test_a_pairing_of_versions_that_is_known_to_be_bad_is_told_and_too_few_workers_are() -> None:
    def timescale(version: str, extension: str, *jobs: str, workers: Workers | None = None) -> Any:
        server = Server(version, "login", 0.0, "origin", 1, True, True, None, extension, jobs, workers)
        return check_server(server, "postgresql://h/db")[1]

    [(extension, postgres)] = BAD_PAIRINGS
    assert timescale(postgres, extension).status == "warn"
    assert timescale("15.18", extension).status == "ok"
    assert "columnstore (3 times)" in timescale("15.18", extension, "columnstore (3 times)").message
    assert timescale("15.18", extension, workers=Workers(16, 8, 7)).status == "ok"
    few = timescale("15.18", extension, workers=Workers(16, 8, 8))
    assert (few.status, few.value, few.bound) == ("warn", 16, 17)
    assert few.todo.startswith("set max_worker_processes = 17")
