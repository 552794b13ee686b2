"""A dry run in a process of its own, since it takes a core, and memory by the number of bars; process.py starts it.

It is told on stdin what to do, so that a password of the database stands in no argument, and answers on stdout. Others
come before it on the cores and in memory, and it ends when its stdin does, so that it does not outlive the server.
"""

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import asyncpg
import msgspec

from api.errors import DatabaseUnreachable, RefusedRequest
from api.project_errors import clear_project_errors
from api.replay.errors import DryRunFailed
from project.compare.dry_run import DryRun, dry_run
from project.errors import GenerationChanging, ProjectError
from project.generation import read_generation
from project.ruleset import Ruleset
from project.rulesets import recorded_ruleset
from sql.connect import Role, open_pool
from sql.errors import DatabaseError
from sql.log import start_log

_STDIN = 0
_NICENESS = 10
_FIRST_TO_GO = Path("/proc/self/oom_score_adj"), "1000"


class Order(msgspec.Struct, frozen=True):
    """What the child is to do: replay the archive of the warehouse at `url` by `ruleset`."""

    url: str
    ruleset: Ruleset


class Done(msgspec.Struct, frozen=True, tag="done"):
    """What would change, and the ruleset of the live projection it was set beside."""

    found: DryRun
    live: Ruleset


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Why there is no dry run: the code of a refusal and its sentence."""

    code: str
    message: str


async def _replay(order: Order) -> Done:
    try:
        async with open_pool(order.url, Role.READ, size=1) as pool, pool.acquire() as connection:
            found = await dry_run(connection, order.ruleset)
            return Done(found, await _live_ruleset(connection, found))
    except DatabaseError as exc:
        raise DatabaseUnreachable from exc


async def _live_ruleset(connection: asyncpg.Connection, found: DryRun) -> Ruleset:
    generation = await read_generation(connection)
    ruleset = None if generation is None else await recorded_ruleset(connection, generation.ruleset_hash)
    if ruleset is None or ruleset.hash != found.changes.ruleset_before:  # swapped since
        raise GenerationChanging
    return ruleset


def _answer(order: Order) -> Done | Failed:
    try:
        with clear_project_errors():
            return asyncio.run(_replay(order))
    except RefusedRequest as exc:
        return Failed(exc.code, str(exc))
    except ProjectError as exc:
        return Failed(DryRunFailed.code, str(exc))


def _stand_behind() -> None:
    """Be the last to have a core and, where memory is short, the first to end: neither server nor database is to."""
    os.nice(_NICENESS)
    path, score = _FIRST_TO_GO
    with suppress(OSError):  # Linux only
        path.write_text(score)


def _leave_with_parent() -> None:
    os.read(_STDIN, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def work() -> None:
    """Do what the order on stdin says, unless stdin ends first."""
    with os.fdopen(_STDIN, "rb", buffering=0, closefd=False) as stdin:
        order = msgspec.json.decode(stdin.readline(), type=Order)
    _stand_behind()
    start_log()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    sys.stdout.buffer.write(msgspec.json.encode(_answer(order)))


if __name__ == "__main__":
    work()
