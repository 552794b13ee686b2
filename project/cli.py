"""The `project` command: bring the projection up to date, or rebuild it."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import click
import msgspec

from archive.read import archive_head
from project.cli_audit import audit as audit
from project.cli_changes import ChangesAsked, change_facts, change_options, print_dry_run, report_when_refused
from project.cli_factors import factors
from project.cli_gaps import gaps
from project.cli_moves import moves
from project.cli_override import override, overrides
from project.cli_revisions import revisions
from project.cli_rules import rules, rules_option
from project.cli_skip import SkipsAsked, archive_skips, decided, skip_facts, skip_options
from project.cli_symbol import symbol
from project.cli_verify import verify_live
from project.dry_run import DryRun, dry_run
from project.errors import NothingProjected
from project.generation import Generation, read_generation
from project.options import utc_now
from project.progress import progress_bar
from project.replay import Replayed, catch_up_or_build, rebuild
from project.ruleset import Ruleset, read_ruleset
from sql import load_queries
from sql.command import WarehouseGroup, json_option, print_json, print_table, ready_database, run
from sql.connect import Role, open_pool

T = TypeVar("T")
_LOGGER = logging.getLogger("project")
_TOTALS = load_queries("project.sql")["totals"]
_HASH_DIGITS = 32
_RULES_CHANGED = "the rules file is not what the live projection was judged by; run `project --rebuild` to apply it"


@click.group(cls=WarehouseGroup, invoke_without_command=True)
@click.option("--rebuild", "from_scratch", is_flag=True, help="Replay the whole archive by RULES, then swap it in.")
@click.option("--status", is_flag=True, help="Say what is live and how far it has come; change nothing.")
@click.option("--verify", "verifying", is_flag=True, help="Replay beside what is live and compare; change nothing.")
@rules_option
@change_options
@json_option
@skip_options
@click.pass_context
def project(
    context: click.Context,
    from_scratch: bool,
    status: bool,
    verifying: bool,
    as_json: bool,
    rules_file: Path,
    changes: ChangesAsked,
    skips: SkipsAsked,
) -> None:
    """Replay what the archive holds and the projection lacks (with --rebuild: everything) [RULES: the rules file]."""
    if context.invoked_subcommand is not None:
        return
    modes = [
        name for name, is_given in (("rebuild", from_scratch), ("status", status), ("verify", verifying)) if is_given
    ]
    if len(modes) > 1:
        raise click.UsageError(f"--{modes[0]} and --{modes[1]} exclude each other")
    if (status or verifying or changes.dry_run) and skips.payloads:
        raise click.UsageError("--skip-payload is a decision: it goes with a replay, not with what changes nothing")
    if verifying:
        with progress_bar() as bar:
            verify_live(bar, as_json)
        return
    ruleset = read_ruleset(rules_file)
    if changes.dry_run:
        with progress_bar() as bar:
            found = _with_pool(Role.READ, lambda pool: _dry_run(pool, ruleset, bar))
        print_dry_run(found, as_json)
        return
    if status:
        _print_facts("projection", _with_pool(Role.READ, lambda pool: _status(pool, ruleset)), as_json)
        return
    decisions = archive_skips(skips, ruleset)
    most = changes.max_change
    with decided(decisions), report_when_refused(as_json), progress_bar() as bar:
        replayed, facts = _with_pool(Role.PROJECT, lambda pool: _replay(pool, ruleset, from_scratch, most, bar))
    if replayed.generation.ruleset_hash != ruleset.hash:
        _LOGGER.warning(_RULES_CHANGED)
    facts |= change_facts(replayed.changes) | skip_facts(decisions)
    done = "rebuilt from" if replayed.rebuilt else "caught up by"
    _print_facts(f"projection {done} {replayed.payloads:,} payloads", facts, as_json)


project.add_command(factors)
project.add_command(gaps)
project.add_command(moves)
project.add_command(override)
project.add_command(overrides)
project.add_command(revisions)
project.add_command(rules)
project.add_command(symbol)


async def _dry_run(pool: asyncpg.Pool, ruleset: Ruleset, bar: Callable[[int, int], None]) -> DryRun:
    async with pool.acquire() as connection:
        return await dry_run(connection, ruleset, progress=bar)


async def _replay(
    pool: asyncpg.Pool, ruleset: Ruleset, from_scratch: bool, most: float | None, bar: Callable[[int, int], None]
) -> tuple[Replayed, dict[str, Any]]:
    if from_scratch:
        replayed = await rebuild(pool, ruleset, utc_now, progress=bar, max_change=most)
    else:
        replayed = await catch_up_or_build(pool, ruleset, utc_now, progress=bar)
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
