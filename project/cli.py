"""The `project` and `audit` commands: bring the projection up to date, rebuild it, and set raw against cleaned."""

import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import click
import msgspec

from archive.read import archive_head
from project.audit import Audit, audit_session
from project.cli_override import override, overrides
from project.cli_skip import SkipsAsked, archive_skips, decided, skip_facts, skip_options
from project.errors import NothingProjected
from project.generation import Generation, read_generation
from project.progress import progress_bar
from project.replay import Replayed, catch_up_or_build, rebuild
from project.ruleset import Ruleset, read_ruleset, rules_path
from sql import load_queries
from sql.command import WarehouseCommand, WarehouseGroup, json_option, print_json, print_table, ready_database, run
from sql.connect import Role, open_pool

T = TypeVar("T")
_LOGGER = logging.getLogger("project")
_TOTALS = load_queries("project.sql")["totals"]
_HASH_DIGITS = 32
_RULES_CHANGED = "the rules file is not what the live projection was judged by; run `project --rebuild` to apply it"


@click.group(cls=WarehouseGroup, invoke_without_command=True)
@click.option("--rebuild", "from_scratch", is_flag=True, help="Replay the whole archive by RULES, then swap it in.")
@click.option("--status", is_flag=True, help="Say what is live and how far it has come; change nothing.")
@json_option
@skip_options
@click.pass_context
def project(context: click.Context, from_scratch: bool, status: bool, as_json: bool, skips: SkipsAsked) -> None:
    """Replay what the archive holds and the projection lacks (with --rebuild: everything) [RULES: the rules file]."""
    if context.invoked_subcommand is not None:
        return
    if from_scratch and status:
        raise click.UsageError("--rebuild and --status exclude each other")
    if status and skips.payloads:
        raise click.UsageError("--status changes nothing: --skip-payload goes with a replay")
    ruleset = read_ruleset(rules_path())
    if status:
        _print_facts("projection", _with_pool(Role.READ, lambda pool: _status(pool, ruleset)), as_json)
        return
    decisions = archive_skips(skips, ruleset)
    with decided(decisions), progress_bar() as bar:
        replayed, facts = _with_pool(Role.PROJECT, lambda pool: _replay(pool, ruleset, from_scratch, bar))
    if replayed.generation.ruleset_hash != ruleset.hash:
        _LOGGER.warning(_RULES_CHANGED)
    done = "rebuilt from" if replayed.rebuilt else "caught up by"
    _print_facts(f"projection {done} {replayed.payloads:,} payloads", facts | skip_facts(decisions), as_json)


project.add_command(override)
project.add_command(overrides)


@click.command(cls=WarehouseCommand)
@click.argument("date", type=click.DateTime(formats=["%Y-%m-%d"]), metavar="DATE")
@click.argument("symbol", required=False)
@json_option
def audit(date: dt.datetime, symbol: str | None, as_json: bool) -> None:
    """Set the raw rows of DATE against the cleaned bars, of the whole market or of SYMBOL; exit 1 if they differ."""
    found = _with_pool(Role.READ, lambda pool: _audit(pool, date.date(), symbol))
    if as_json:
        print_json(found)
        return
    print_table(f"audit {found.session}", ("fact", "rows"), _audit_facts(found))
    if found.differences:
        rows = [(row.ticker, row.kind, row.detail, str(row.archive_seq)) for row in found.differences]
        print_table("raw against cleaned", ("ticker", "what", "why", "payload"), rows)


def _audit_facts(found: Audit) -> list[tuple[str, object]]:
    return [
        ("payloads that may speak of it" if found.is_session else "payloads (no session on this date)", found.payloads),
        ("raw rows", found.raw_rows),
        ("= current bars", found.current),
        ("+ superseded", found.superseded),
        ("+ rejected", found.rejected),
        ("validated bars", found.validated),
    ]


async def _audit(pool: asyncpg.Pool, session: dt.date, symbol: str | None) -> Audit:
    async with pool.acquire() as connection:
        return await audit_session(connection, session, symbol)


async def _replay(
    pool: asyncpg.Pool, ruleset: Ruleset, from_scratch: bool, bar: Callable[[int, int], None]
) -> tuple[Replayed, dict[str, Any]]:
    replay = rebuild if from_scratch else catch_up_or_build
    replayed = await replay(pool, ruleset, lambda: dt.datetime.now(dt.UTC), progress=bar)
    return replayed, await _status(pool, ruleset)


async def _status(pool: asyncpg.Pool, ruleset: Ruleset) -> dict[str, Any]:
    async with pool.acquire() as connection:
        generation = await read_generation(connection)
        if generation is None:
            raise NothingProjected
        head = await archive_head(connection)
        totals = dict(await connection.fetchrow(_TOTALS))
    return totals | _generation_facts(generation, ruleset, head)


def _generation_facts(generation: Generation, ruleset: Ruleset, head: int) -> dict[str, Any]:
    return msgspec.structs.asdict(generation) | {
        "archive_head": head,
        "lag_payloads": head - generation.checkpoint,
        "rules_changed": generation.ruleset_hash != ruleset.hash,
    }


def _print_facts(title: str, facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        print_table(title, ("fact", "value"), [(name, _plain(value)) for name, value in facts.items()])


def _plain(value: object) -> object:
    """Return a fact as a person reads it: thousands separated, hashes cut to the length that tells them apart."""
    match value:
        case bool():
            return value
        case int():
            return f"{value:,}"
        case str() if len(value) >= _HASH_DIGITS:
            return value[:12]
        case _:
            return value


def _with_pool(role: Role, job: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with open_pool(await ready_database(), role) as pool:
            return await job(pool)

    return run(connected())
