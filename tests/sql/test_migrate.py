"""Migrations: each applied once, in order, by whoever comes first; an edited or unknown history is refused."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from sql.connect import Role, open_owner, open_pool
from sql.errors import ArchiveGone, MigrationError
from sql.migrate import Migration, migrate, read_migrations
from sql.timescale import enable_timescale
from tests.command import console_command

Folder = Callable[[dict[str, str]], Path]

ONE = "CREATE TABLE public.one (n integer)"
TWO = "CREATE TABLE public.two (n integer)"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a function that fills a folder with migrations and returns it."""

    def fill(texts: dict[str, str]) -> Path:
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        return tmp_path

    return fill


def test_the_shipped_migrations_are_numbered_without_gaps() -> None:
    migrations = read_migrations()
    assert [migration.number for migration in migrations] == list(range(1, len(migrations) + 1))
    assert all(migration.name.startswith(f"{migration.number:04d}_") for migration in migrations)
    assert all(hashlib.sha256(step.text.encode()).hexdigest() == step.checksum for step in migrations)


@pytest.mark.parametrize("name", ["1_create_one.sql", "0001-create-one.sql", "0001_Create.sql", "create_one.sql"])
def test_a_name_of_another_form_is_refused(folder: Folder, name: str) -> None:
    with pytest.raises(MigrationError, match=r"its name is not of the form NNNN_verb_noun\.sql") as caught:
        read_migrations(folder({name: ONE}))
    assert caught.value.migration == name


@pytest.mark.parametrize(
    ("names", "wrong", "expected"),
    [
        (("0002_create_one.sql",), "0002_create_one.sql", "0001"),
        (("0001_create_one.sql", "0003_create_two.sql"), "0003_create_two.sql", "0002"),
        (("0001_create_one.sql", "0001_create_two.sql"), "0001_create_two.sql", "0002"),
    ],
    ids=["no first", "gap", "twice"],
)
def test_a_number_that_is_missing_or_stands_twice_is_refused(
    folder: Folder, names: tuple[str, ...], wrong: str, expected: str
) -> None:
    with pytest.raises(MigrationError, match=f"its number should be {expected}") as caught:
        read_migrations(folder(dict.fromkeys(names, ONE)))
    assert caught.value.migration == wrong


async def test_each_migration_is_applied_once_and_recorded_with_its_checksum(empty_database_url: str) -> None:
    async with open_owner(empty_database_url) as owner:
        assert await migrate(owner) == [migration.name for migration in read_migrations()]
        assert await migrate(owner) == []
        ledger = await owner.fetch("SELECT number, name, checksum FROM public.warehouse_migration ORDER BY number")
    assert [tuple(row) for row in ledger] == [(step.number, step.name, step.checksum) for step in read_migrations()]


async def test_only_what_is_missing_is_applied(empty_database_url: str, folder: Folder) -> None:
    async with open_owner(empty_database_url) as owner:
        await _begin(owner)
        await migrate(owner, _after_shipped(folder({"0001_create_one.sql": ONE})))
        both = _after_shipped(folder({"0001_create_one.sql": ONE, "0002_create_two.sql": TWO}))
        assert await migrate(owner, both) == ["0002_create_two.sql"]
        assert await owner.fetchval("SELECT count(*) FROM public.two") == 0


async def test_an_applied_migration_that_was_edited_is_refused(owner: asyncpg.Connection) -> None:
    first, *rest = read_migrations()
    edited = Migration(first.number, first.name, first.text + " ", hashlib.sha256(b"edited").hexdigest())
    with pytest.raises(MigrationError, match="its text was edited after it was applied") as caught:
        await migrate(owner, [edited, *rest])
    assert caught.value.migration == first.name


async def test_a_database_that_is_newer_than_the_software_is_refused(owner: asyncpg.Connection) -> None:
    *older, last = read_migrations()
    with pytest.raises(MigrationError, match="the database has it and this software does not") as caught:
        await migrate(owner, older)
    assert caught.value.migration == last.name


@pytest.mark.parametrize("dropped", ["SCHEMA archive", "TABLE archive.payload"])
async def test_an_archive_that_somebody_dropped_is_missed(owner: asyncpg.Connection, dropped: str) -> None:
    await owner.execute(f"DROP {dropped} CASCADE")
    with pytest.raises(ArchiveGone, match="restore a backup into a new database"):
        await migrate(owner)


async def test_a_migration_that_fails_leaves_nothing_and_names_itself(empty_database_url: str, folder: Folder) -> None:
    broken = f"{TWO}; INSERT INTO public.two VALUES (1); SELECT no_such_column FROM public.two"
    steps = folder({"0001_create_one.sql": ONE, "0002_break.sql": broken})
    async with open_owner(empty_database_url) as owner:
        await _begin(owner)
        with pytest.raises(MigrationError, match='the database refuses it: column "no_such_column"') as caught:
            await migrate(owner, _after_shipped(steps))
        assert caught.value.migration == "0002_break.sql"
        assert "\n" not in str(caught.value)
        assert await owner.fetchval("SELECT to_regclass('public.one')") is not None
        assert await owner.fetchval("SELECT to_regclass('public.two')") is None
        recorded = await owner.fetch("SELECT name FROM public.warehouse_migration ORDER BY number DESC LIMIT 1")
        assert recorded[0]["name"] == "0001_create_one.sql"


async def test_many_may_migrate_the_same_empty_database_at_once(empty_database_url: str) -> None:
    async def bring_up() -> list[str]:
        async with open_owner(empty_database_url) as owner:
            await enable_timescale(owner)
            return await migrate(owner)

    applied = await asyncio.gather(*(bring_up() for _ in range(8)))
    assert sorted(name for names in applied for name in names) == [step.name for step in read_migrations()]
    async with open_pool(empty_database_url, Role.PROJECT) as pool:
        assert await pool.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')")


async def test_many_processes_may_start_on_the_same_empty_database_at_once(
    empty_database_url: str, tmp_path_environ: dict[str, str]
) -> None:
    environ = tmp_path_environ | {"DATABASE_URL": empty_database_url}
    processes = [
        await asyncio.create_subprocess_exec(
            console_command("archive"), "stats", "--json", env=environ, stdout=-1, stderr=-1
        )
        for _ in range(4)
    ]
    ended = [await process.communicate() for process in processes]
    assert [(process.returncode, err) for process, (_, err) in zip(processes, ended, strict=True)] == [(0, b"")] * 4


async def test_two_databases_of_one_server_may_be_migrated_at_once(server_url: str, empty_database_url: str) -> None:
    """Roles belong to the server, so two migrations meet there."""
    parts = urlsplit(empty_database_url)
    second = f"{parts.path.removeprefix('/')}_too"
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {second}")
        try:
            urls = [empty_database_url, urlunsplit(parts._replace(path=f"/{second}"))]
            applied = await asyncio.gather(*map(_migrate, urls))
        finally:
            await server.execute(f"DROP DATABASE {second} WITH (FORCE)")
    assert applied == [[step.name for step in read_migrations()]] * 2


async def _migrate(url: str) -> list[str]:
    async with open_owner(url) as owner:
        return await migrate(owner)


async def _begin(owner: asyncpg.Connection) -> None:
    await migrate(owner, read_migrations())


def _after_shipped(folder: Path) -> list[Migration]:
    """Return the shipped migrations with those of a folder numbered on after them."""
    shipped = read_migrations()
    more = [
        Migration(step.number + len(shipped), step.name, step.text, step.checksum) for step in read_migrations(folder)
    ]
    return [*shipped, *more]
