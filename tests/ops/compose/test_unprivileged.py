"""Commands in a login without the owner's rights: a migrated database is ready for them, and refusals are one line."""

import os
from collections.abc import Mapping

import asyncpg
import pytest

from ingest.night.project_command import project_environ
from ops.compose.logins import make_logins
from sql.connect import Role, open_owner, open_pool
from sql.errors import DatabaseError, InvalidSetting, NotMigrated
from sql.migrate import migrate, read_migrations
from sql.timescale import enable_timescale
from tests.command import complaint, run_command
from tests.ops.compose.conftest import Logins
from tests.ops.compose.logins import PASSWORDS, url_of


async def test_a_migrated_database_is_ready_for_every_login(logins: Logins) -> None:
    for job in PASSWORDS:
        async with open_owner(logins.url(job)) as connection:
            await enable_timescale(connection)
            assert await migrate(connection) == []


async def test_what_a_login_lacks_is_left_to_the_owner(empty_database_url: str, prefix: str) -> None:
    async with open_owner(empty_database_url) as owner:
        await migrate(owner)
        await make_logins(owner, PASSWORDS, prefix)
        # As it is before the owner has applied what came with new software.
        await owner.execute("DELETE FROM public.warehouse_migration WHERE number = $1", len(read_migrations()))
    url = url_of(empty_database_url, f"{prefix}api", PASSWORDS["api"])
    async with open_owner(url) as connection:
        with pytest.raises(NotMigrated, match="run `ops migrate` as its owner"):
            await migrate(connection)


async def test_another_role_than_the_login_has_is_refused_in_one_line(
    logins: Logins, command_environ: Mapping[str, str]
) -> None:
    with pytest.raises(DatabaseError, match='set role "warehouse_project"; `ops logins` says what each may do'):
        async with open_pool(logins.url("ingest"), Role.PROJECT, size=1):
            pass
    line = complaint(run_command({**command_environ, "DATABASE_URL": logins.url("api")}, "api", "keys", "list"))
    assert 'permission denied to set role "warehouse_access"' in line
    assert PASSWORDS["api"] not in line


async def test_an_extension_that_only_the_owner_can_make_stops_nobody(empty_database_url: str, prefix: str) -> None:
    """A server that is given TimescaleDB later has it loaded before the owner's next `ops migrate` creates it."""
    async with open_owner(empty_database_url) as owner:
        await owner.execute(f"CREATE ROLE {prefix}api LOGIN")
        await owner.execute(f"GRANT warehouse_read TO {prefix}api")
    async with open_owner(url_of(empty_database_url, f"{prefix}api", "none")) as connection:
        await enable_timescale(connection)
    async with open_owner(empty_database_url) as owner:
        assert await owner.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'") == 0


def test_the_projector_of_a_night_has_a_url_of_its_own() -> None:
    ours = {"DATABASE_URL": "postgresql://ingest@box/w", "LOG_LEVEL": "INFO"}
    theirs = {"PROJECT_DATABASE_URL": "postgresql://projector@box/w"}
    assert project_environ(ours) == ours
    assert project_environ(ours | theirs)["DATABASE_URL"] == "postgresql://projector@box/w"
    assert project_environ(ours | theirs)["LOG_LEVEL"] == "INFO"
    assert project_environ().items() >= os.environ.items()
    with pytest.raises(InvalidSetting, match=r"PROJECT_DATABASE_URL is '\(hidden\)'"):
        project_environ(ours | {"PROJECT_DATABASE_URL": "mysql://user:secret@box/w"})


async def test_an_unknown_login_is_refused_without_its_password(logins: Logins) -> None:
    with pytest.raises(DatabaseError) as caught:
        async with open_owner(url_of(logins.database_url, f"{logins.prefix}nobody", PASSWORDS["api"])):
            pass
    assert PASSWORDS["api"] not in str(caught.value)
    assert not isinstance(caught.value.__cause__, asyncpg.InterfaceError)
