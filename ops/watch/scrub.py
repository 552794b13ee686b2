"""The scrub: `archive verify` on time, whose end stands in the run ledger for the watch to find.

It reads as a reader, and notes its run as a backup does. It prints nothing and tells nobody.
"""

import datetime as dt
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import asyncpg
import msgspec

from archive.runs import finish_run, start_run
from archive.sample import Sample
from archive.verify import Verification, VerificationFailed, verify_archive
from ops.ledger import CANNOT_BE_TOLD, why_it_failed
from sql import load_queries
from sql.connect import Role, open_pool

_HOLD = load_queries("ops_watch.sql")["hold_scrub_lock"]
_KIND = "scrub"

Now = Callable[[], dt.datetime]
T = TypeVar("T")


class Plan(msgspec.Struct, frozen=True):
    """Which bodies a scrub means to read, as the ledger has it; None and None for all."""

    percent: float | None
    seed: int | None


class Scrubbed(msgspec.Struct, frozen=True):
    """How a scrub ended, as the ledger has it. `first_bad` is None also where the archive could not be read."""

    passed: bool
    first_bad: int | None
    percent: float | None
    seed: int | None
    payloads: int = 0
    bodies: int = 0
    error: str | None = None


async def scrub(url: str, sample: Sample | None, now: Now) -> Verification:
    """Verify the archive of the database at `url`, record how that ended, and return what was found."""
    plan = Plan(None, None) if sample is None else Plan(sample.percent, sample.seed)
    async with open_pool(url, Role.READ, size=2) as reader, reader.acquire() as held:
        await held.execute(_HOLD)  # as long as this session has it, a scrub is at work
        run_id = await _as_backup(url, lambda pool: start_run(pool, _KIND, plan, now()))
        try:
            found = await verify_archive(reader, sample)
        except BaseException as exc:
            with suppress(*CANNOT_BE_TOLD):
                await _finish(
                    url, run_id, Scrubbed(False, None, plan.percent, plan.seed, error=why_it_failed(exc)), now
                )
            raise
        await _finish(url, run_id, _scrubbed(found, plan), now)
    return found


async def _finish(url: str, run_id: uuid.UUID, scrubbed: Scrubbed, now: Now) -> None:
    await _as_backup(url, lambda pool: finish_run(pool, run_id, _KIND, scrubbed, now()))


async def _as_backup(url: str, job: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    """Do what a reader may not, in sessions that end with it: a session of that role is the sign of a backup."""
    async with open_pool(url, Role.BACKUP, size=1) as pool:
        return await job(pool)


def _scrubbed(found: Verification, plan: Plan) -> Scrubbed:
    error = None if found.first_bad is None else str(VerificationFailed(found))
    return Scrubbed(error is None, found.first_bad, plan.percent, plan.seed, found.payloads, found.sampled, error)
