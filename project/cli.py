"""The `project` command: bring the projection up to date, rebuild it, roll it back; the rest are its subcommands."""

import logging
from pathlib import Path
from typing import Any

import asyncpg
import click
import msgspec

from archive.read import archive_head
from project.bulk.replay import Progress
from project.cli_choice import choice_options
from project.cli_revisions import revisions
from project.cli_rules import rules, rules_option
from project.compare.cli_changes import ChangesAsked, change_facts, change_options, print_dry_run, report_when_refused
from project.compare.cli_verify import verify_live
from project.compare.dry_run import DryRun, dry_run
from project.decide.cli_override import override, overrides
from project.decide.cli_skip import SkipsAsked, archive_skips, decided, skip_facts, skip_options
from project.errors import NothingProjected
from project.factors.cli import factors
from project.gaps.cli_gaps import gaps
from project.gaps.cli_moves import moves
from project.generation import Generation, read_generation, require_shape
from project.names.cli import symbol
from project.options import utc_now, with_pool
from project.partial import Choice, rebuild_part
from project.progress import progress_bar
from project.rebuild import catch_up_or_build, rebuild, rollback
from project.replay import Replayed
from project.ruleset import Ruleset, read_ruleset
from sql import load_queries
from sql.command import WarehouseGroup, json_option, print_json, print_table
from sql.connect import Role
from sql.timescale import generation_bytes

_LOGGER = logging.getLogger("project")
_TOTALS = load_queries("project.sql")["totals"]
_HASH_DIGITS = 32
_RULES_CHANGED = "the rules file is not what the live projection was judged by; run `project --rebuild` to apply it"


@click.group(cls=WarehouseGroup, invoke_without_command=True)
@click.option("--rebuild", "from_scratch", is_flag=True, help="Replay the whole archive by RULES, then swap it in.")
@click.option("--rollback", "rolling_back", is_flag=True, help="Make the generation before live again, at once.")
@click.option("--status", is_flag=True, help="Say what is live and how far it has come; change nothing.")
@click.option("--verify", "verifying", is_flag=True, help="Replay beside what is live and compare; change nothing.")
@rules_option
@choice_options
@change_options
@skip_options
@json_option
@click.pass_context
def project(
    context: click.Context,
    from_scratch: bool,
    rolling_back: bool,
    status: bool,
    verifying: bool,
    as_json: bool,
    rules_file: Path,
    choice: Choice | None,
    changes: ChangesAsked,
    skips: SkipsAsked,
) -> None:
    """Replay what the archive holds and the projection lacks (with --rebuild: everything) [RULES: the rules file]."""
    if context.invoked_subcommand is not None:
        return
    _require_one(rebuild=from_scratch, rollback=rolling_back, status=status, verify=verifying)
    if skips.payloads and (rolling_back or status or verifying or changes.dry_run):
        raise click.UsageError("--skip-payload is a decision: it goes with a replay, not with what replays nothing")
    if choice is not None and changes.dry_run:
        raise click.UsageError("--dry-run shows what rules change: it goes with all bars, not with some")
    ruleset = read_ruleset(rules_file)
    if verifying:
        with progress_bar() as bar:
            verify_live(bar, as_json)
    elif changes.dry_run:
        with progress_bar() as bar:
            found = with_pool(Role.READ, lambda pool: _dry_run(pool, ruleset, bar))
        print_dry_run(found, as_json)
    elif status:
        _print_facts("projection", with_pool(Role.READ, lambda pool: _status(pool, ruleset)), as_json)
    elif rolling_back:
        facts = with_pool(Role.PROJECT, lambda pool: _roll_back(pool, ruleset))
        _print_facts("projection rolled back", facts, as_json)
    else:
        _run_replay(Wanted(ruleset, from_scratch, choice, changes.max_change), skips, as_json)


project.add_command(factors)
project.add_command(gaps)
project.add_command(moves)
project.add_command(override)
project.add_command(overrides)
project.add_command(revisions)
project.add_command(rules)
project.add_command(symbol)


class Wanted(msgspec.Struct, frozen=True):
    """Which replay: of what the projection lacks, of everything, or of the chosen bars."""

    ruleset: Ruleset
    from_scratch: bool
    choice: Choice | None
    max_change: float | None


def _require_one(**modes: bool) -> None:
    given = [name for name, is_given in modes.items() if is_given]
    if len(given) > 1:
        raise click.UsageError(f"--{given[0]} and --{given[1]} exclude each other")


def _run_replay(wanted: Wanted, skips: SkipsAsked, as_json: bool) -> None:
    decisions = archive_skips(skips, wanted.ruleset)
    with decided(decisions), report_when_refused(as_json), progress_bar() as bar:
        replayed, facts = with_pool(Role.PROJECT, lambda pool: _replay(pool, wanted, bar))
    if replayed.generation.ruleset_hash != wanted.ruleset.hash:
        _LOGGER.warning(_RULES_CHANGED)
    facts |= change_facts(replayed.changes) | skip_facts(decisions)
    done = "rebuilt from" if replayed.rebuilt else "caught up by"
    _print_facts(f"projection {done} {replayed.payloads:,} payloads", facts, as_json)


async def _dry_run(pool: asyncpg.Pool, ruleset: Ruleset, bar: Progress) -> DryRun:
    async with pool.acquire() as connection:
        return await dry_run(connection, ruleset, progress=bar)


async def _roll_back(pool: asyncpg.Pool, ruleset: Ruleset) -> dict[str, Any]:
    await rollback(pool)
    return await _status(pool, ruleset)


async def _replay(pool: asyncpg.Pool, wanted: Wanted, bar: Progress) -> tuple[Replayed, dict[str, Any]]:
    if wanted.choice is not None:
        replayed = await rebuild_part(pool, wanted.choice, utc_now, progress=bar, max_change=wanted.max_change)
    elif wanted.from_scratch:
        replayed = await rebuild(pool, wanted.ruleset, utc_now, progress=bar, max_change=wanted.max_change)
    else:
        replayed = await catch_up_or_build(pool, wanted.ruleset, utc_now, progress=bar)
    return replayed, await _status(pool, wanted.ruleset)


async def _status(pool: asyncpg.Pool, ruleset: Ruleset) -> dict[str, Any]:
    async with pool.acquire() as connection:
        generation = await read_generation(connection)
        if generation is None:
            raise NothingProjected
        require_shape(generation)
        head = await archive_head(connection)
        totals = dict(await connection.fetchrow(_TOTALS))
        stored = await generation_bytes(connection)
    return totals | stored | _generation_facts(generation, ruleset, head)


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
