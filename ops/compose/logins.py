"""The logins of the jobs: for each one a user of the database that may do its job and nothing else.

A login is a member of one role of the warehouse (sql/migrations) and has nothing of its own. Passwords come from the
environment and stay here: the database is told a verifier (scram.py).
"""

import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence

import asyncpg
import msgspec

from ops.compose.errors import NotTheOwner, RoleInTheWay
from ops.compose.scram import SALT_BYTES, scram_verifier
from sql import load_queries
from sql.connect import Role
from sql.errors import InvalidSetting, Misuse

_QUERIES = load_queries("logins.sql")
_LOCK = _QUERIES["take_logins_lock"]
_NOT_OF_OURS = _QUERIES["not_of_ours"]
_NAME = _QUERIES["name_login"]
_MAKE = _QUERIES["make_login"]
_CLOSINGS = (_QUERIES["close_database"], _QUERIES["close_public_schema"], _QUERIES["close_functions"])

PREFIX = "mdw_"
_SHORTEST_PASSWORD = 12
_PASSWORD = re.compile(r"[A-Za-z0-9._~-]+")
_BOUND = (
    f"must be {_SHORTEST_PASSWORD} or more letters, digits and . _ ~ - (it stands in a URL); "
    "`openssl rand -hex 24` makes one"
)

RandomBytes = Callable[[int], bytes]


class Job(msgspec.Struct, frozen=True):
    """What a login is for: the setting with its password, its one role, what it may, and the commands it runs."""

    name: str
    setting: str
    role: Role
    may: str
    commands: str


JOBS = {
    job.name: job
    for job in (
        Job(
            name="ingest",
            setting="WAREHOUSE_INGEST_PASSWORD",
            role=Role.INGEST,
            may="append answers, their assessments, runs and seals; read archive and projection",
            commands="ingest",
        ),
        Job(
            name="projector",
            setting="WAREHOUSE_PROJECT_PASSWORD",
            role=Role.PROJECT,
            may="make, fill and swap generations of the projection; note runs and rulesets; read the archive",
            commands="project, project --rebuild, --rollback",
        ),
        Job(
            name="api",
            setting="WAREHOUSE_READ_PASSWORD",
            role=Role.READ,
            may="read archive, projection and the hashes of API keys; write nothing",
            commands="api, audit, archive stats, archive verify, project --status, --verify, --dry-run",
        ),
        Job(
            name="backup",
            setting="WAREHOUSE_BACKUP_PASSWORD",
            role=Role.BACKUP,
            may="read all of it; note runs and seals",
            commands="ops backup, ops drill, ops scrub, ops watch",
        ),
    )
}


class Login(msgspec.Struct, frozen=True):
    """A login as it was made: its name, the one role it is a member of, what it may, and the commands it is for."""

    login: str
    role: str
    may: str
    commands: str


def read_passwords(jobs: Sequence[Job], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the password of each job.

    Raises: Misuse naming every setting that is unset; InvalidSetting, without the value, for one that cannot be used
    or that two jobs share.
    """
    passwords = {job.name: environ.get(job.setting, "") for job in jobs}
    unset = [job.setting for job in jobs if not passwords[job.name]]
    if unset:
        raise Misuse(f"{', '.join(unset)}: unset; a login without a password is not made")
    for job in jobs:
        password = passwords[job.name]
        if len(password) < _SHORTEST_PASSWORD or not _PASSWORD.fullmatch(password):
            raise InvalidSetting(job.setting, "(hidden)", _BOUND)
        if list(passwords.values()).count(password) > 1:
            raise InvalidSetting(job.setting, "(hidden)", "must not be another login's password too")
    return passwords


async def make_logins(
    owner: asyncpg.Connection,
    passwords: Mapping[str, str],
    prefix: str = PREFIX,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> list[Login]:
    """Make a login for each job, or give the one there its password; close the database to everybody else; all or none.

    Raises: RoleInTheWay; NotTheOwner.
    """
    try:
        async with owner.transaction():
            await owner.execute(_LOCK)
            for closing in _CLOSINGS:
                await owner.execute(closing)
            return [
                await _make(owner, JOBS[name], prefix + name, scram_verifier(password, random_bytes(SALT_BYTES)))
                for name, password in passwords.items()
            ]
    except asyncpg.InsufficientPrivilegeError as exc:
        raise NotTheOwner(exc.args[0]) from exc


async def _make(owner: asyncpg.Connection, job: Job, login: str, verifier: str) -> Login:
    reasons = await owner.fetchval(_NOT_OF_OURS, login, job.role.value)
    if reasons:
        raise RoleInTheWay(login, reasons)
    await owner.execute(_NAME, login, job.role.value, verifier)
    await owner.execute(_MAKE)
    return Login(login, job.role.value, job.may, job.commands)
