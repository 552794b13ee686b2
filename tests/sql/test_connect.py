"""Connecting: each pool acts in its role, and whatever keeps it from connecting is one line without a password."""

import uuid
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from sql.connect import Role, address, open_owner, open_pool
from sql.errors import DatabaseAway, DatabaseError
from tests.command import complaint, run_command
from tests.faults.line import open_line

PASSWORD = "hunter2"


@pytest.mark.parametrize("role", Role)
async def test_every_session_of_a_pool_acts_in_its_role_and_speaks_utc(database_url: str, role: Role) -> None:
    async with open_pool(database_url, role, size=2) as pool:
        for _ in range(2):  # the second comes after the pool has reset the session
            async with pool.acquire() as connection:
                assert await connection.fetchval("SELECT current_user") == role.value
                assert await connection.fetchval("SHOW timezone") == "UTC"
                assert await connection.fetchval("SHOW application_name") == role.value
                await connection.execute("SET timezone = 'America/New_York'")


async def test_a_pool_can_bound_the_time_of_a_statement(database_url: str) -> None:
    async with open_pool(database_url, Role.READ, statement_timeout_s=0.05) as pool:
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(10)")


async def test_the_owner_acts_as_the_user_of_the_url(database_url: str) -> None:
    async with open_owner(database_url) as owner:
        assert await owner.fetchval("SELECT current_user = session_user")
        assert await owner.fetchval("SHOW timezone") == "UTC"


async def test_a_server_that_is_starting_is_waited_for(database_url: str) -> None:
    async with open_line(database_url) as line:
        line.seem_to_start(2)
        async with open_owner(line.url) as owner:
            assert await owner.fetchval("SELECT 1") == 1


async def test_a_pool_gives_its_connections_back_when_it_closes(database_url: str) -> None:
    async with open_owner(database_url) as owner:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()"
        async with open_pool(database_url, Role.READ, size=3) as pool:
            await pool.execute("SELECT 1")
            assert await owner.fetchval(count, Role.READ.value) >= 1
        while await owner.fetchval(count, Role.READ.value):  # the server notices in its own time
            pass


@pytest.mark.parametrize("opener", ["owner", "pool"])
async def test_a_database_that_does_not_exist_is_named(server_url: str, opener: str) -> None:
    url = _with(server_url, database="no_such_warehouse")
    assert str(await _refusal(url, opener)) == f"database {address(url)} does not exist"


@pytest.mark.parametrize("opener", ["owner", "pool"])
async def test_a_database_that_is_away_is_named_by_its_address_alone(opener: str) -> None:
    error = await _refusal(f"postgresql://user:{PASSWORD}@127.0.0.1:1/warehouse", opener)
    assert isinstance(error, DatabaseAway)
    assert error.address == "127.0.0.1:1/warehouse"
    assert "127.0.0.1:1/warehouse cannot be reached" in str(error)


@pytest.mark.parametrize("opener", ["owner", "pool"])
async def test_a_user_whom_the_server_does_not_know_is_refused_in_one_line(server_url: str, opener: str) -> None:
    error = await _refusal(_with(server_url, user=f"nobody:{PASSWORD}"), opener)
    assert str(error).endswith("refuses the user or password of DATABASE_URL")


async def test_a_user_who_may_not_act_in_a_role_is_refused_in_one_line(database_url: str) -> None:
    login = f"login_{uuid.uuid4().hex[:8]}"
    async with open_owner(database_url) as owner:
        await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'")
        try:
            error = await _refusal(_with(database_url, user=f"{login}:{PASSWORD}"), "pool")
        finally:
            await owner.execute(f"DROP ROLE {login}")
    assert 'refuses the login of its URL: permission denied to set role "warehouse_read"; `ops logins`' in str(error)


@pytest.mark.parametrize("opener", ["owner", "pool"])
@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{PASSWORD}@host:notaport/warehouse",
        f"postgresql://user:{PASSWORD}@[::1/warehouse",
        f"postgresql://user:{PASSWORD}@127.0.0.1/warehouse?sslmode=bogus",
        f"postgresql://user:half/{PASSWORD}@127.0.0.1/warehouse",
        f"postgresql://user:1/{PASSWORD}@127.0.0.1/warehouse",
    ],
    ids=["port", "bracket", "option", "slash in password", "number and slash in password"],
)
async def test_a_url_that_cannot_be_read_is_one_line_without_its_password(url: str, opener: str) -> None:
    assert isinstance(await _refusal(url, opener), DatabaseError)


async def test_an_option_that_the_server_does_not_know_is_named(server_url: str) -> None:
    joint = "&" if "?" in server_url else "?"
    error = await _refusal(f"{server_url}{joint}no_such_option=1", "owner")
    assert 'unrecognized configuration parameter "no_such_option"' in str(error)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://user:{PASSWORD}@host:5433/warehouse?sslmode=require", "host:5433/warehouse"),
        ("postgresql://host/warehouse", "host/warehouse"),
        (f"postgresql://user:{PASSWORD}@[::1]:5432/warehouse", "[::1]:5432/warehouse"),
        (f"postgresql://one:5432,two:5432/warehouse?password={PASSWORD}", "one:5432,two:5432/warehouse"),
        ("postgresql://postgres:@/postgres?host=/tmp/folder", "local socket/postgres"),
        (f"postgresql://user:{PASSWORD}@", "local socket"),
    ],
)
def test_an_address_has_host_port_and_database_only(url: str, shown: str) -> None:
    assert address(url) == shown


def test_a_command_leaves_with_1_and_one_line_when_the_database_is_away(tmp_path_environ: dict[str, str]) -> None:
    url = f"postgresql://user:{PASSWORD}@127.0.0.1:1/warehouse"
    done = run_command(tmp_path_environ, "archive", "stats", DATABASE_URL=url)
    assert done.returncode == 1
    assert complaint(done).startswith("error: database 127.0.0.1:1/warehouse cannot be reached")


def test_a_command_leaves_with_2_and_one_line_for_a_url_of_something_else(tmp_path_environ: dict[str, str]) -> None:
    done = run_command(tmp_path_environ, "archive", "stats", DATABASE_URL=f"mysql://user:{PASSWORD}@host/warehouse")
    assert done.returncode == 2
    assert PASSWORD not in complaint(done)


@pytest.mark.parametrize("name", ["DATABASE_URL", "LOG_LEVEL"])
def test_a_setting_may_stand_in_an_env_file_of_the_folder(tmp_path_environ: dict[str, str], name: str) -> None:
    values = {"DATABASE_URL": "mysql://host/warehouse", "LOG_LEVEL": "loud"}
    Path(tmp_path_environ["HOME"], ".env").write_text(f"{name}={values[name]}\n")
    done = run_command(tmp_path_environ, "archive", "stats", DATABASE_URL="postgresql://127.0.0.1:1/w")
    # The environment wins over the file: DATABASE_URL of the file is never looked at.
    expected = "127.0.0.1:1/w cannot be reached" if name == "DATABASE_URL" else "setting LOG_LEVEL is 'loud'"
    assert expected in complaint(done)


async def _refusal(url: str, opener: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        if opener == "owner":
            async with open_owner(url):
                pass
        else:
            async with open_pool(url, Role.READ):
                pass
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    return caught.value


def _with(url: str, *, database: str | None = None, user: str | None = None) -> str:
    parts = urlsplit(url)
    if database is not None:
        parts = parts._replace(path=f"/{database}")
    if user is not None:
        parts = parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}")
    return urlunsplit(parts)
