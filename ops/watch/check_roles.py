"""Whether each command can act in its role, and whether none of the roles can change what is archived (law 2)."""

import asyncpg

from api.watch.check import Check
from ops.watch.check_database import Server
from sql import load_queries
from sql.connect import Role

_QUERIES = load_queries("ops_watch.sql")
_EXISTING, _TAKE = _QUERIES["existing_roles"], _QUERIES["take_role"]
_LET_CHANGE, _UNGUARDED = _QUERIES["let_change"], _QUERIES["unguarded_tables"]
_ALL = [role.value for role in Role]


async def check_roles(connection: asyncpg.Connection, login: str) -> Check:
    """Return whether the roles exist and the login of the connection can act in them."""
    existing = await _existing(connection)
    missing = [role for role in _ALL if role not in existing]
    refused = [role for role in existing if not await can_take(connection, role)]
    return _check_taking(login, missing, refused)


async def check_append_only(connection: asyncpg.Connection, server: Server) -> Check:
    """Return whether the archive of a migrated database is append-only for every role."""
    roles = await _existing(connection)
    grants = [f"{row['role']} on {row['table_name']}" for row in await connection.fetch(_LET_CHANGE, roles)]
    unguarded = [row["table_name"] for row in await connection.fetch(_UNGUARDED)]
    return _judge_append_only(roles, grants, unguarded, server.replication_role)


async def _existing(connection: asyncpg.Connection) -> list[str]:
    found = {row["rolname"] for row in await connection.fetch(_EXISTING, _ALL)}
    return [role for role in _ALL if role in found]


async def can_take(connection: asyncpg.Connection, role: str) -> bool:
    """Tell whether the login of a connection can act in a role."""
    try:
        async with connection.transaction():
            await connection.execute(_TAKE, role)
    except asyncpg.PostgresError:
        return False
    return True


def _check_taking(login: str, missing: list[str], refused: list[str]) -> Check:
    taken = len(_ALL) - len(missing) - len(refused)
    if missing:
        found = f"there is no role {', '.join(missing)}"
        return Check("roles", "failed", taken, len(_ALL), found, "run: ops migrate, as a user who may create roles")
    if not taken:
        found = f"the login {login} can act in none of the roles of the warehouse"
        return Check("roles", "failed", taken, len(_ALL), found, f"as the owner: GRANT {', '.join(_ALL)} TO {login}")
    if refused:
        found = f"the login {login} cannot act as {', '.join(refused)}"
        todo = "nothing, where each job has a login of its own; else run this as the login that owns the warehouse"
        return Check("roles", "warn", taken, len(_ALL), found, todo)
    return Check("roles", "ok", taken, len(_ALL), f"the login {login} can act in each role of the warehouse")


def _judge_append_only(roles: list[str], grants: list[str], unguarded: list[str], replication_role: str) -> Check:
    name = "append_only"
    if grants:
        found = f"rows of the archive can be changed or removed by {', '.join(grants)}"
        todo = "as the owner: REVOKE UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA archive FROM these roles"
        return Check(name, "failed", len(grants), 0, found, todo)
    if unguarded:
        found = f"no trigger refuses changes to archive.{', archive.'.join(unguarded)}"
        todo = "as the owner: ALTER TABLE … ENABLE TRIGGER ALL; then prove the archive with: archive verify"
        return Check(name, "failed", len(unguarded), 0, found, todo)
    if replication_role == "replica":
        found = "session_replication_role is replica, so no trigger refuses anything"
        todo = "ALTER DATABASE or ALTER ROLE … RESET session_replication_role; then run: archive verify"
        return Check(name, "failed", replication_role, "origin", found, todo)
    found = f"no role may change a row of the archive, and triggers refuse it to everybody ({len(roles)} roles)"
    return Check(name, "ok", 0, 0, found)
