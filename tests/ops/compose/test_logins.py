"""`ops logins`: a login for each job with the rights of that job and no others; no password leaves this process."""

import re
from base64 import b64decode

import asyncpg
import pytest

from ops.compose.errors import NotTheOwner, RoleInTheWay
from ops.compose.logins import JOBS, make_logins, read_passwords
from ops.compose.scram import scram_verifier
from sql.connect import Role
from sql.errors import InvalidSetting, Misuse
from tests.command import complaint, run_command
from tests.ops.compose.conftest import Logins
from tests.ops.compose.logins import ENVIRON, PASSWORDS

BACKUP = "WAREHOUSE_BACKUP_PASSWORD"
APPEND = (
    "SELECT archive.append_payload(now(), 'polygon', 'range', '/', NULL, NULL, NULL, 200::smallint, '[]', 'complete',"
    " '', 0, sha256(''), gen_random_uuid())"
)
RUN = "INSERT INTO archive.run VALUES (gen_random_uuid(), 'started', now(), 'x', '{}')"
SEAL = "INSERT INTO archive.seal VALUES (1, sha256(''), now())"
RULESET = "INSERT INTO archive.ruleset (ruleset_hash, body) VALUES (gen_random_uuid()::text, '{}')"
ASSESS = "INSERT INTO archive.assessment VALUES (1, (random() * 30000)::smallint, 'rows', 0, NULL, NULL, NULL, NULL)"
KEYS = "SELECT key_id, secret_sha256 FROM access.api_key"
ALL_OF_KEYS = "SELECT * FROM access.api_key"
NEW_KEY = "INSERT INTO access.api_key VALUES ('0123456789ab', 'me', sha256(''), 0, now(), NULL)"
PROJECT = "INSERT INTO projection.bar (session) VALUES (now())"
READ = "SELECT FROM archive.payload"
READ_BARS = "SELECT FROM projection.bar"
MAKE = "CREATE SCHEMA mine"
SWAP = "ALTER SCHEMA projection RENAME TO projection_previous"
HOLD = "SELECT archive.lock_append()"
TEMPORARY = "CREATE TEMPORARY TABLE mine (n integer)"

# What each job does with the database, of all that any of them does; SEAL comes after APPEND, which it names.
MAY = {
    "ingest": {APPEND, ASSESS, RUN, SEAL, RULESET, READ, READ_BARS},
    "projector": {RUN, RULESET, READ, READ_BARS, PROJECT, MAKE, SWAP, HOLD, TEMPORARY},
    "api": {READ, READ_BARS, KEYS},
    "backup": {RUN, SEAL, READ, READ_BARS, KEYS, ALL_OF_KEYS},
}
EVERYTHING = (
    APPEND,
    ASSESS,
    RUN,
    SEAL,
    RULESET,
    READ,
    READ_BARS,
    KEYS,
    ALL_OF_KEYS,
    NEW_KEY,
    PROJECT,
    MAKE,
    SWAP,
    HOLD,
)

NOBODY_MAY = (
    "UPDATE archive.payload SET source = source",
    "DELETE FROM archive.run",
    "TRUNCATE archive.seal",
    "INSERT INTO archive.payload SELECT * FROM archive.payload",
    "UPDATE access.api_key SET revoked_at = now()",
    "CREATE TABLE public.mine (n integer)",
    "INSERT INTO public.warehouse_migration VALUES (99, 'x', 'x')",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_create(0)",
    "CREATE ROLE mine",
    "SET session_replication_role = replica",
    "SELECT rolpassword FROM pg_authid",
    "COPY archive.run TO PROGRAM 'cat'",
    "SET ROLE warehouse_access",
)

SOMEBODY_ELSE = {
    "CREATE ROLE {} SUPERUSER": "is a superuser",
    "CREATE ROLE {} CREATEROLE CREATEDB": "may create roles, may create databases",
    "CREATE ROLE {} REPLICATION BYPASSRLS": "may replicate, passes row security by",
    "CREATE ROLE {} IN ROLE warehouse_ingest": "is a member of warehouse_ingest",
    "CREATE ROLE {0}; CREATE SCHEMA mine AUTHORIZATION {0}": "owns something",
    "CREATE ROLE {0}; GRANT SELECT ON archive.run TO {0}": "was granted something itself",
}


@pytest.fixture
async def filled(logins: Logins, owner: asyncpg.Connection) -> Logins:
    """Return a warehouse with a payload, and with something of the projector's that stands for a projection."""
    await owner.execute(APPEND)
    await owner.execute("SET ROLE warehouse_project")
    await owner.execute("CREATE SCHEMA projection")
    await owner.execute("CREATE TABLE projection.bar (session date)")
    await owner.execute("GRANT USAGE ON SCHEMA projection TO warehouse_read, warehouse_ingest")
    await owner.execute("GRANT SELECT ON projection.bar TO warehouse_read, warehouse_ingest")
    await owner.execute("RESET ROLE")
    return logins


async def test_a_login_may_do_its_job_and_nothing_else(filled: Logins) -> None:
    for job in JOBS.values():
        connection = await filled.connect(job.name)
        allowed = {statement for statement in (*EVERYTHING, TEMPORARY) if await _may(connection, statement)}
        assert allowed == MAY[job.name]
        assert [statement for statement in NOBODY_MAY if await _may(connection, statement)] == []
        for role in {other.role for other in JOBS.values()} - {job.role}:
            # Who makes backups reads all, so that role is a reader too.
            is_reader = (job.role, role) == (Role.BACKUP, Role.READ)
            assert await _may(connection, f"SET ROLE {role}") == is_reader
        await connection.close()


async def _may(connection: asyncpg.Connection, statement: str) -> bool:
    """Tell whether a statement is let through; nothing of it stays."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    else:
        return True
    finally:
        await attempt.rollback()


async def test_nobody_but_the_projector_leaves_jobs_in_timescaledb(logins: Logins, owner: asyncpg.Connection) -> None:
    jobs = await owner.fetch("SELECT oid::regprocedure::text AS name FROM pg_proc WHERE proname = 'add_job'")
    for job in JOBS:
        connection = await logins.connect(job)
        for each in jobs:
            assert not await connection.fetchval("SELECT has_function_privilege($1, 'EXECUTE')", each["name"])
        await connection.close()


async def test_a_login_is_a_member_of_one_role_and_nothing_more(logins: Logins, owner: asyncpg.Connection) -> None:
    once = await _standing(owner, logins.prefix)
    assert once == {logins.prefix + job.name: (True, True, False, [job.role.value]) for job in JOBS.values()}
    await make_logins(owner, PASSWORDS, logins.prefix)
    assert await _standing(owner, logins.prefix) == once


async def test_nobody_else_of_the_server_may_connect(logins: Logins, owner: asyncpg.Connection, prefix: str) -> None:
    await owner.execute(f"CREATE ROLE {prefix}stranger LOGIN PASSWORD 'stranger'")
    try:
        stranger = Logins(logins.database_url, prefix).url("api").replace("_api:", "_stranger:")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await asyncpg.connect(stranger, password="stranger")
    finally:
        await owner.execute(f"DROP ROLE {prefix}stranger")


async def test_a_verifier_is_the_one_that_the_server_makes(owner: asyncpg.Connection, prefix: str) -> None:
    await owner.execute("SET password_encryption = 'scram-sha-256'")
    await owner.execute(f"CREATE ROLE {prefix}api PASSWORD '{PASSWORDS['api']}'")
    made = await _verifier(owner, f"{prefix}api")
    assert made == _expected(made, PASSWORDS["api"])
    assert made != _expected(made, PASSWORDS["ingest"])


async def test_to_make_them_again_changes_their_passwords(logins: Logins, owner: asyncpg.Connection) -> None:
    before = await _verifier(owner, logins.prefix + "api")
    changed = {**PASSWORDS, "api": "another-password"}
    await make_logins(owner, changed, logins.prefix)
    after = await _verifier(owner, logins.prefix + "api")
    assert before == _expected(before, PASSWORDS["api"])
    assert after == _expected(after, "another-password")


async def test_the_server_is_never_told_a_password(owner: asyncpg.Connection, prefix: str) -> None:
    sent: list[str] = []
    with owner.query_logger(lambda query: sent.append(f"{query.query} {query.args}")):
        await make_logins(owner, PASSWORDS, prefix)
    told = "\n".join(sent)
    assert told.count("SCRAM-SHA-256$") == len(JOBS)
    assert not [password for password in PASSWORDS.values() if password in told]


async def test_a_role_of_somebody_else_is_left_alone(owner: asyncpg.Connection, prefix: str) -> None:
    for statement, reason in SOMEBODY_ELSE.items():
        await owner.execute(statement.format(f"{prefix}api"))
        with pytest.raises(RoleInTheWay, match=f"the role {prefix}api is there already and {reason}"):
            await make_logins(owner, PASSWORDS, prefix)
        assert await _verifier(owner, f"{prefix}api") is None
        assert await owner.fetchval("SELECT count(*) FROM pg_roles WHERE rolname LIKE $1 || '%'", prefix) == 1
        await owner.execute(f"DROP OWNED BY {prefix}api; DROP ROLE {prefix}api")


async def test_only_the_owner_makes_logins(logins: Logins) -> None:
    connection = await logins.connect("projector")
    with pytest.raises(NotTheOwner, match="may not make logins"):
        await make_logins(connection, PASSWORDS, logins.prefix)
    await connection.close()


def test_a_password_that_is_missing_is_named_with_the_others() -> None:
    jobs = list(JOBS.values())
    with pytest.raises(Misuse, match="WAREHOUSE_INGEST_PASSWORD, WAREHOUSE_READ_PASSWORD: unset"):
        read_passwords(jobs, ENVIRON | {"WAREHOUSE_INGEST_PASSWORD": ""} | {"WAREHOUSE_READ_PASSWORD": ""})


@pytest.mark.parametrize(
    "password", ["eleven-char", "with space-123", "at@and:colon/", "umlaut-äöüß-12", PASSWORDS["ingest"]]
)
def test_a_password_that_cannot_be_used_is_not_shown(password: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        read_passwords(list(JOBS.values()), ENVIRON | {"WAREHOUSE_READ_PASSWORD": password})
    assert re.search(r"WAREHOUSE_\w+_PASSWORD is '\(hidden\)'", str(caught.value))
    assert password not in str(caught.value)


def test_the_command_says_what_each_may_do(command_environ: dict[str, str], prefix: str) -> None:
    done = run_command(command_environ, "ops", "logins", "--prefix", prefix, **ENVIRON)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    for job in JOBS.values():
        assert any(re.search(rf"{prefix}{job.name} +{job.role.value} +{re.escape(job.may)}", line) for line in lines)
    assert not [password for password in PASSWORDS.values() if password.encode() in done.stdout]


def test_the_command_makes_no_login_without_a_password(command_environ: dict[str, str]) -> None:
    line = complaint(run_command(command_environ, "ops", "logins", "backup", **ENVIRON | {BACKUP: ""}))
    assert line == "error: WAREHOUSE_BACKUP_PASSWORD: unset; a login without a password is not made"


def _expected(verifier: str, password: str) -> str:
    iterations, salt = verifier.split("$")[1].split(":")
    return scram_verifier(password, b64decode(salt), int(iterations))


async def _verifier(owner: asyncpg.Connection, login: str) -> str:
    found: str = await owner.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", login)
    return found


async def _standing(owner: asyncpg.Connection, prefix: str) -> dict[str, tuple[bool, bool, bool, list[str]]]:
    """Return of each login whether it may log in, inherits and has power of its own, and the roles that it has."""
    rows = await owner.fetch(
        "SELECT rolname, rolcanlogin, rolinherit, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication"
        " OR rolbypassrls AS has_power, array(SELECT roleid::regrole::text FROM pg_auth_members"
        " WHERE member = pg_roles.oid) AS roles FROM pg_roles WHERE rolname LIKE $1 || '%'",
        prefix,
    )
    return {row["rolname"]: (row["rolcanlogin"], row["rolinherit"], row["has_power"], row["roles"]) for row in rows}
